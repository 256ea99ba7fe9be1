#include <doctest/doctest.h>

#include <algorithm>
#include <cerrno>
#include <charrnn/core/random.hpp>
#include <charrnn/io/atomic_file.hpp>
#include <charrnn/io/safetensors.hpp>
#include <cstring>
#include <map>
#include <set>
#include <string>
#include <vector>

#include <sys/stat.h>

#include "temporary_folder.hpp"

namespace safetensors_test {

using namespace charrnn;

namespace {

/// A file with this header and so many bytes of data.
std::string file_with(const std::string& header, std::size_t data_bytes = 16, std::size_t length = SIZE_MAX) {
    if (length == SIZE_MAX) length = header.size();
    std::string s;
    for (std::size_t i = 0; i < 8; ++i) s += static_cast<char>(static_cast<unsigned char>(length >> (8 * i)));
    return s + header + std::string(data_bytes, '\1');
}

/// A header with one tensor of 16 bytes, in which something is put in place of something else.
std::string header(const std::string& replace = "", const std::string& with = "") {
    std::string s = R"({"__metadata__":{"k":"v"},"a":{"dtype":"F32","shape":[2,2],"data_offsets":[0,16]}})";
    if (!replace.empty()) s.replace(s.find(replace), replace.size(), with);
    return s;
}

/// Two tensors of 8 bytes with these offsets.
std::string two(const std::string& a, const std::string& b) {
    return R"({"a":{"dtype":"F32","shape":[2],"data_offsets":)" + a +
           R"(},"b":{"dtype":"F32","shape":[2],"data_offsets":)" + b + "}}";
}

std::string refusal(const std::string& bytes, Checksum checksum = Checksum::optional) {
    try {
        TensorFile::parse(bytes, "f", checksum);
    } catch (const data_error& e) {
        return e.what();
    }
    return "";
}

std::string sound() {
    const float x[4] = {1, -2, 3.5F, 4};
    const std::int32_t y[3] = {7, 8, 9};
    return tensor_file_bytes(
        {TensorSource::of("layers.0.W", {2, 2}, x, 4), TensorSource::of("ids", {3}, y, 3)},
        {{"name", "a \"quoted\" \\ line\n"}, {"umlaut", "\xC3\xA4"}});
}

std::string many_entries(std::size_t n) {
    std::string s = R"({"__metadata__":{)";
    for (std::size_t i = 0; i < n; ++i) s += (i > 0 ? ",\"" : "\"") + std::to_string(i) + R"(":"")";
    return s + "}}";
}

std::string many_tensors(std::size_t n) {
    std::string s = "{";
    for (std::size_t i = 0; i < n; ++i)
        s += (i > 0 ? "," : "") +
             ("\"" + std::to_string(i) + R"(":{"dtype":"U8","shape":[0],"data_offsets":[0,0]})");
    return s + "}";
}

}  // namespace

TEST_CASE("what is written is read again") {
    const std::string bytes = sound();
    const TensorFile file = TensorFile::parse(bytes, "f");
    float x[4] = {};
    std::int32_t y[3] = {};
    file.copy("layers.0.W", {2, 2}, x);
    file.copy("ids", {3}, y);
    CHECK(x[2] == 3.5F);
    CHECK(y[2] == 9);
    CHECK(file.metadata().at("name") == "a \"quoted\" \\ line\n");
    CHECK(file.metadata().at("umlaut") == "\xC3\xA4");
    CHECK(file.tensors().size() == 2);
    CHECK(bytes == sound());
    CHECK(detail::load_length(bytes.data()) % 8 == 0);
    CHECK_THROWS_WITH_AS(file.copy("layers.0.W", {4}, x),
                         "f: tensor 'layers.0.W' has the shape (2, 2), expected (4)", data_error);
    CHECK_THROWS_WITH_AS(file.copy("ids", {3}, x), "f: tensor 'ids' is of dtype I32, expected F32",
                         data_error);
    CHECK_THROWS_WITH_AS(file.copy("none", {3}, x), "f: there is no tensor 'none'", data_error);
}

TEST_CASE("what a reader would refuse is not written") {
    const float x[1] = {1};
    const TensorSource t = TensorSource::of("a", {1}, x, 1);
    CHECK_THROWS_AS(tensor_file_bytes({t, t}, {}), data_error);
    CHECK_THROWS_AS(tensor_file_bytes({t}, {{"k", "\xFF"}}), data_error);
    CHECK_THROWS_AS(tensor_file_bytes({TensorSource::of("a", {2}, x, 1)}, {}), data_error);
    CHECK_THROWS_AS(tensor_file_bytes({t}, {{"checksum", "mine"}}), data_error);
}

TEST_CASE("every truncation and every longer file is refused") {
    const std::string bytes = sound();
    for (std::size_t n = 0; n < bytes.size(); ++n) {
        CAPTURE(n);
        CHECK(!refusal(bytes.substr(0, n)).empty());
    }
    CHECK(!refusal(bytes + '\0').empty());
    CHECK(refusal(bytes).empty());
}

TEST_CASE("every flip of one bit or of two is refused") {
    const std::string bytes = sound();
    const std::size_t bits = 8 * bytes.size();
    const auto flip = [](std::string& s, std::size_t bit) {
        s[bit / 8] = static_cast<char>(s[bit / 8] ^ static_cast<char>(1U << bit % 8));
    };
    for (std::size_t i = 0; i < bits; ++i) {
        std::string one = bytes;
        flip(one, i);
        CAPTURE(i);
        CHECK(!refusal(one, Checksum::required).empty());
    }
    Random random(1);
    for (int n = 0; n < 20'000; ++n) {
        std::string damaged = bytes;
        const std::size_t a = random.below(bits), b = (a + 1 + random.below(bits - 1)) % bits;
        flip(damaged, a), flip(damaged, b);
        CAPTURE(a);
        CAPTURE(b);
        CHECK(!refusal(damaged, Checksum::required).empty());
    }
}

TEST_CASE("a file of another program has no checksum, and is read only if one asks for it") {
    const std::string bytes = file_with(header());
    CHECK(refusal(bytes, Checksum::required) == "f: there is no checksum, so damage would not be seen");
    CHECK(refusal(bytes, Checksum::optional).empty());
    // One that is there must be right all the same.
    std::string wrong = sound();
    wrong.back() = static_cast<char>(wrong.back() ^ 1);
    CHECK(refusal(wrong, Checksum::optional) == "f: the checksum is wrong: the file is damaged");
    const std::string moved = header("\"k\":\"v\"", "\"k\":\"v\",\"checksum\":\"crc32:00000000\"");
    CHECK(refusal(file_with(moved)) == "f: the checksum is not at the header's beginning, where it must be");
}

TEST_CASE("headers made to do harm are refused, each with a message of its own") {
    const std::string max = "18446744073709551615";
    const std::string nested(10'000, '[');
    const std::vector<std::pair<std::string, std::string>> attacks{
        // the length
        {"", "the file has 0 bytes, expected at least 8"},
        {"1234567", "the file has 7 bytes, expected at least 8"},
        {file_with(header(), 16, SIZE_MAX - 1),
         "is said to have 18446744073709551614 bytes, expected at most"},
        {file_with(header(), 16, std::size_t{1} << 63U),
         "said to have 9223372036854775808 bytes, expected at most"},
        {file_with(header(), 16, (1U << 20U) + 1), "said to have 1048577 bytes, expected at most"},
        {file_with(header(), 16, header().size() + 17),
         "but only 98 bytes follow; the file has been cut off"},
        {file_with("", 0, 0), "the header is empty"},
        // JSON
        {file_with("\xEF\xBB\xBF" + header()), "begins with a byte order mark"},
        {file_with(" " + header()), "does not begin with '{'"},
        {file_with("[" + header() + "]"), "does not begin with '{'"},
        {file_with("\"a\""), "does not begin with '{'"},
        {file_with(header() + "x"), "does not end with '}' and spaces"},
        {file_with(header() + "\n"), "does not end with '}' and spaces"},
        {file_with(header() + "{}"), "the header is not JSON: wrong at its byte"},
        {file_with(header("\"v\"", std::string("\"\0\"", 3))), "has a NUL byte"},
        {file_with(header("\"v\"", "\"\xFF\"")), "the header is not JSON: wrong at its byte 23"},
        {file_with(header("\"v\"", "\"\\uD800\"")), "the header is not JSON"},
        {file_with(header("[2,2]", "[2,2,]")), "the header is not JSON"},
        {file_with(header("\"v\"", "/* v */")), "the header is not JSON"},
        {file_with("{\"a\":" + nested + "}"), "the header's entry 'a'"},
        {file_with(header("[2,2]", "[[2,2]]")), "nested too deeply"},
        {file_with(header("[2,2]", nested + "}")), "nested too deeply"},
        {file_with(header("\"v\"", "{\"x\":{\"y\":1}}")),
         "the metadata's entry 'k' is an object, expected a string"},
        // names
        {file_with(header("\"k\":\"v\"", "\"k\":\"v\",\"k\":\"w\"")), "the metadata has 'k' twice"},
        {file_with(R"({"__metadata__":{},"__metadata__":{}})", 0), "the header has __metadata__ twice"},
        {file_with(R"({"a":{"dtype":"U8","shape":[],"data_offsets":[0,1]},)"
                   R"("a":{"dtype":"U8","shape":[],"data_offsets":[1,2]}})"),
         "has the tensor 'a' twice"},
        {file_with(header("\"dtype\"", "\"shape\":[2],\"dtype\"")), "tensor 'a' has shape twice"},
        {file_with(header("\"dtype\"", "\"dtype\":\"F32\",\"dtype\"")), "tensor 'a' has dtype twice"},
        {file_with(header("\"dtype\"", "\"data_offsets\":[0,1],\"dtype\"")),
         "tensor 'a' has data_offsets twice"},
        {file_with(header("\"dtype\"", "\"strides\":[1],\"dtype\"")), "has the unknown entry 'strides'"},
        {file_with(header("\"a\"", "\"" + std::string(600, 'a') + "\"")), "has a name that is too long"},
        {file_with(header("\"v\"", "\"" + std::string(70'000, 'v') + "\"")), "has a string that is too long"},
        {file_with(header("\"v\"", "\"" + std::string(70'000, '\\') + "\"")),
         "has a string that is too long"},
        {file_with(header("\"a\"", "\"" + std::string(70'000, 'a') + "\"")), "has a string that is too long"},
        {file_with(header("[2,2]", "[2," + std::string(40, '2') + "]")), "has a number that is too long"},
        {file_with(many_tensors(5000), 0), "has more than 4096 tensors"},
        {file_with(many_entries(5000), 0), "the metadata has more than 4096 entries"},
        // missing
        {file_with(header("\"dtype\":\"F32\",", "")), "tensor 'a' has no dtype"},
        {file_with(header("\"shape\":[2,2],", "")), "tensor 'a' has no shape"},
        {file_with(header(",\"data_offsets\":[0,16]", "")), "tensor 'a' has no data_offsets"},
        // types
        {file_with(header("{\"k\":\"v\"}", "7")), "the header's entry '__metadata__' is a number"},
        {file_with(header("\"v\"", "7")), "the metadata's entry 'k' is a number, expected a string"},
        {file_with(header("\"v\"", "-7")), "the metadata's entry 'k' is a number, expected a string"},
        {file_with(header("\"v\"", "null")), "the metadata's entry 'k' is null, expected a string"},
        {file_with(header("\"v\"", "true")), "the metadata's entry 'k' is true or false, expected a string"},
        {file_with(header("\"v\"", "[]")), "the metadata's entry 'k' is a list, expected a string"},
        {file_with(header("\"F32\"", "\"F31\"")), "tensor 'a' has the unknown dtype 'F31'"},
        {file_with(header("\"F32\"", "32")), "the dtype of tensor 'a' is a number, expected a string"},
        {file_with(header("[2,2]", "4")), "the shape of tensor 'a' is a number, expected a list"},
        {file_with(header("[2,2]", "\"4\"")), "the shape of tensor 'a' is a string, expected a list"},
        {file_with(header("[2,2]", "[\"4\"]")),
         "the shape of tensor 'a' has a string, expected whole numbers"},
        {file_with(header("[2,2]", "{\"x\":4}")), "the shape of tensor 'a' is an object"},
        {file_with(R"({"a":[]})", 0), "the header's entry 'a' is a list"},
        // numbers
        {file_with(header("[2,2]", "[-2,-2]")), "the shape of tensor 'a' has the negative number -2"},
        {file_with(header("[2,2]", "[2.0,2]")),
         "has the number '2.0', which is not written as a whole number"},
        {file_with(header("[2,2]", "[2e0,2]")),
         "has the number '2e0', which is not written as a whole number"},
        {file_with(header("[2,2]", "[" + max + "]")), "has the number " + max + ", which is too large"},
        {file_with(header("[2,2]", "[" + max + "0]")), "has the number '" + max + "0', which is too large"},
        {file_with(header("[0,16]", "[-1,16]")), "the data_offsets of tensor 'a' has the negative number -1"},
        {file_with(header("[2,2]", "[1e999]")), "the header is not JSON"},
        {file_with(header("[2,2]", "[1,1,1,1,1,1,1,2,2]")), "has more than 8 extents"},
        {file_with(header("[2,2]", "[4294967296,4294967296]")), "has more numbers than memory can hold"},
        {file_with(header("[2,2]", "[4611686018427387904,4]")), "has more numbers than memory can hold"},
        {file_with(header("[2,2]", "[2,3]")), "has 16 bytes of data, but its shape and dtype ask for 24"},
        {file_with(header("[2,2]", "[0]")), "has 16 bytes of data, but its shape and dtype ask for 0"},
        {file_with(header("F32", "F64")), "has 16 bytes of data, but its shape and dtype ask for 32"},
        // places
        {file_with(header("[0,16]", "[0]")), "the data_offsets of tensor 'a' are fewer than two"},
        {file_with(header("[0,16]", "[]")), "the data_offsets of tensor 'a' are fewer than two"},
        {file_with(header("[0,16]", "[0,8,16]")), "the data_offsets of tensor 'a' are more than two"},
        {file_with(header("[0,16]", "[16,0]")), "tensor 'a' ends before it begins"},
        {file_with(header("[0,16]", "[4,20]")), "tensor 'a' ends at byte 20 of the data, which has 16"},
        {file_with(two("[0,8]", "[4,12]"), 12), "tensor 'b' overlaps the one before it"},
        {file_with(two("[0,8]", "[0,8]"), 8), "tensor 'b' overlaps the one before it"},
        {file_with(two("[0,8]", "[9,17]"), 17), "there is a hole of 1 bytes before tensor 'b'"},
        {file_with(two("[4,12]", "[12,20]"), 20), "there is a hole of 4 bytes before tensor 'a'"},
        {file_with(header(), 17), "1 bytes follow the last tensor, expected the end of the file"},
        {file_with("{}", 16), "16 bytes follow the last tensor"},
    };
    std::set<std::string> messages;
    for (const auto& attack : attacks) {
        const auto& bytes = attack.first;
        const auto& message = attack.second;
        const std::string got = refusal(bytes);
        CAPTURE(message);
        CAPTURE(got);
        CHECK(got.substr(0, 3) == "f: ");
        CHECK(got.find(message) != std::string::npos);
        messages.insert(got);
    }
    MESSAGE(attacks.size() << " attacks, " << messages.size() << " messages");
    CHECK(attacks.size() >= 40);
    CHECK(refusal(file_with(header())).empty());
    CHECK(refusal(file_with(header() + "   ")).empty());
    CHECK(refusal(file_with("{}", 0)).empty());
    CHECK(refusal(file_with(two("[8,16]", "[0,8]"))).empty());
}

TEST_CASE("random changes of a header without a checksum never do harm") {
    const std::string bytes = file_with(header());
    Random random(3);
    for (int n = 0; n < 50'000; ++n) {
        std::string damaged = bytes;
        for (std::uint64_t k = 1 + random.below(4); k > 0; --k) {
            const std::size_t at = random.below(damaged.size());
            switch (random.below(3)) {
                case 0:
                    damaged[at] = static_cast<char>(random.below(256));
                    break;
                case 1:
                    damaged.insert(at, 1, static_cast<char>(random.below(256)));
                    break;
                default:
                    damaged.erase(at, 1);
            }
            if (damaged.empty()) damaged = "x";
        }
        try {
            const TensorFile file = TensorFile::parse(damaged, "f", Checksum::optional);
            for (const auto& t : file.tensors()) CHECK(t.bytes() <= damaged.size());
        } catch (const data_error&) {
        }
    }
}

TEST_CASE("a file that is not there, or not a file, is an io_error that says so") {
    const test::TemporaryFolder folder;
    CHECK_THROWS_WITH_AS(TensorFile::read(folder.path() + "/none"),
                         (folder.path() + "/none: cannot be opened: No such file or directory").c_str(),
                         io_error);
    CHECK_THROWS_WITH_AS(TensorFile::read(folder.path()), (folder.path() + ": is not a regular file").c_str(),
                         io_error);
    write_atomically(folder.path() + "/short", "123");
    CHECK_THROWS_AS(TensorFile::read(folder.path() + "/short"), data_error);
    write_atomically(folder.path() + "/good", sound());
    CHECK(TensorFile::read(folder.path() + "/good").tensors().size() == 2);
}

TEST_CASE("a pipe is refused, and not waited for") {
    const test::TemporaryFolder folder;
    const std::string path = folder.path("pipe");
    REQUIRE(::mkfifo(path.c_str(), 0600) == 0);
    CHECK_THROWS_WITH_AS(TensorFile::read(path), (path + ": is not a regular file").c_str(), io_error);
}

TEST_CASE("a file that fails, or shrinks, while it is read is an io_error that says so") {
    // Gives the first 10 bytes, then what is asked for.
    struct Failing final : FileSystem {
        ssize_t next = 0;
        int reason = 0, interruptions = 1;
        bool begun = false;
        ssize_t read(int file, void* to, std::size_t n) override {
            if (!begun) {
                begun = true;
                return FileSystem::read(file, to, std::min<std::size_t>(n, 10));
            }
            errno = interruptions-- > 0 ? EINTR : reason;
            return errno == EINTR ? -1 : next;
        }
    };
    const test::TemporaryFolder folder;
    const std::string path = folder.path() + "/good";
    write_atomically(path, sound());
    Failing broken;
    broken.next = -1, broken.reason = EIO;
    CHECK_THROWS_WITH_AS(TensorFile::read(path, Checksum::required, broken),
                         (path + ": cannot be read: Input/output error").c_str(), io_error);
    Failing shorter;
    CHECK_THROWS_WITH_AS(TensorFile::read(path, Checksum::required, shorter),
                         (path + ": has become shorter while it was read").c_str(), io_error);
}

TEST_CASE("what a reader would refuse is not written") {
    std::map<std::string, std::string> metadata;
    for (int i = 0; i < 20; ++i) metadata[std::to_string(i)] = std::string(60'000, 'x');
    CHECK_THROWS_WITH_AS(tensor_file_bytes({}, metadata), doctest::Contains("expected at most 1048576"),
                         data_error);
    CHECK_THROWS_WITH_AS(tensor_file_bytes({}, {{"k", std::string(70'000, 'x')}}),
                         doctest::Contains("has a string that is too long"), data_error);
    CHECK_THROWS_WITH_AS(tensor_file_bytes({}, {{"notes.--log", "caf\xE9.csv"}}),
                         "the metadata's entry 'notes.--log', 'caf?.csv', cannot be saved: expected UTF-8",
                         data_error);
    CHECK_NOTHROW(tensor_file_bytes({}, {{"notes.--log", "caf\xC3\xA9.csv"}}));
}

}  // namespace safetensors_test
