#include <charrnn/data/text.hpp>

#include <doctest/doctest.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cstddef>
#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <string>
#include <string_view>
#include <thread>

#include "temporary_folder.hpp"

namespace text_test {

using namespace charrnn;

namespace {

// Kilobytes of memory of the process that belong to no file.
std::size_t anonymous_kilobytes() {
    std::ifstream status("/proc/self/status");
    std::string line;
    while (std::getline(status, line)) {
        if (line.rfind("RssAnon:", 0) == 0) return static_cast<std::size_t>(std::stoul(line.substr(8)));
    }
    return 0;
}

const std::string mixed =
    "na\xC3\xAFve \xE2\x82\xAC"
    "5\xFF\n";  // 10 characters in 13 bytes, the \xFF malformed

}  // namespace

TEST_CASE("text: a string's characters, as code points and as bytes") {
    const Text text = Text::from_string(mixed);
    CHECK(text.size() == 10);
    CHECK(text.bytes() == mixed);
    CHECK(text.str() == mixed);
    CHECK(text.encoding() == Encoding::utf8);
    CHECK(text.to_u32() == std::u32string{U'n', U'a', 0xEF, U'v', U'e', U' ', 0x20AC, U'5', 0xDCFF, U'\n'});
    CHECK(text.find_invalid() == mixed.size() - 2);
    CHECK_FALSE(text.slice(0, 8).find_invalid());

    const Text raw = Text::from_string(mixed, Encoding::bytes);
    CHECK(raw.size() == mixed.size());
    CHECK(raw.to_u32()[2] == 0xC3);
    CHECK_FALSE(raw.find_invalid());
}

TEST_CASE("text: an empty string and a NUL are texts") {
    CHECK(Text::from_string("").empty());
    CHECK(Text::from_string("").to_u32().empty());
    CHECK(Text::from_string("").slice(0).empty());
    CHECK_FALSE(Text::from_string("").find_invalid());
    CHECK(Text::from_string(std::string("a\0b", 3)).size() == 3);
}

TEST_CASE("text: slices hold what the same slice of the code points holds") {
    for (const Encoding encoding : {Encoding::utf8, Encoding::bytes}) {
        const Text text = Text::from_string(mixed + "ascii for a while" + mixed, encoding);
        const std::u32string all = text.to_u32();
        for (std::size_t first = 0; first <= all.size(); ++first) {
            for (std::size_t count = 0; first + count <= all.size(); ++count) {
                const Text part = text.slice(first, count);
                REQUIRE(part.to_u32() == all.substr(first, count));
                REQUIRE(part.size() == count);
            }
            CHECK(text.slice(first).to_u32() == all.substr(first));
            CHECK(text.head(first).to_u32() == all.substr(0, first));
            CHECK(text.tail(first).to_u32() == all.substr(all.size() - first));
        }
    }
    const Text part = Text::from_string("one two three").slice(4).slice(0, 3);  // outlives what it came from
    CHECK(part.str() == "two");
}

TEST_CASE("text: a slice beyond the end is refused") {
    const Text text = Text::from_string("abc");
    CHECK_THROWS_WITH_AS(text.slice(1, 3), "Text: no 3 characters from 1 on in a text of 3", value_error);
    CHECK_THROWS_WITH_AS(text.slice(4), "Text: no characters from 4 on in a text of 3", value_error);
    CHECK_THROWS_AS(text.slice(1, static_cast<std::size_t>(-1)), value_error);
    CHECK_THROWS_AS(text.head(4), value_error);
    CHECK_THROWS_WITH_AS(text.tail(4), "Text: no last 4 characters in a text of 3", value_error);
}

TEST_CASE("text: a file is read byte for byte") {
    const test::TemporaryFolder folder;
    const std::string bytes = "\xEF\xBB\xBF" + mixed + "line\r\n";
    const std::string path = folder.write("mixed.txt", bytes);
    CHECK(read_text(path).bytes() == bytes);
    CHECK(read_text(path).size() == 17);
    CHECK(read_text(path).to_u32()[0] == 0xFEFF);
    CHECK(read_text(path, Encoding::bytes).size() == bytes.size());
    // A text goes on when its file has been removed.
    const Text text = read_text(path);
    std::filesystem::remove(path);
    CHECK(text.str() == bytes);
}

TEST_CASE("text: private memory does not grow with a mapped file") {
    const test::TemporaryFolder folder;
    const std::string path = folder.path("large.txt");
    {
        std::ofstream file(path, std::ios::binary);
        const std::string block(1U << 20U, 'x');
        for (int i = 0; i < 64; ++i) file << block;
    }
    const std::size_t before = anonymous_kilobytes();
    const Text text = read_text(path);
    const Text part = text.slice(1000);
    std::size_t count = 0;
    part.for_each([&count](char32_t c) { count += c == U'x' ? 1 : 0; });
    CHECK(count == (64U << 20U) - 1000);
    CHECK(anonymous_kilobytes() < before + 4096);
}

TEST_CASE("text: pipes and files without a size are read to their end") {
    CHECK(read_text("/proc/self/status").bytes().find("RssAnon") != std::string_view::npos);

    const test::TemporaryFolder folder;
    const std::string path = folder.path("pipe");
    REQUIRE(::mkfifo(path.c_str(), 0600) == 0);
    const std::string sent(200000, 'p');
    std::thread writer([&] { std::ofstream(path, std::ios::binary) << sent; });
    const Text text = read_text(path);
    writer.join();
    CHECK(text.bytes() == sent);
}

TEST_CASE("text: what cannot be read is named") {
    const test::TemporaryFolder folder;
    const std::string missing = folder.path("missing.txt");
    CHECK_THROWS_WITH_AS(read_text(missing),
                         ("cannot read '" + missing + "': No such file or directory").c_str(), io_error);
    const std::string directory = folder.path();
    CHECK_THROWS_WITH_AS(read_text(directory), ("cannot read '" + directory + "': it is a directory").c_str(),
                         io_error);
    const std::string empty = folder.write("empty.txt", "");
    CHECK_THROWS_WITH_AS(read_text(empty), ("'" + empty + "': the text is empty").c_str(), data_error);

    // Opens, and then refuses to be read at address 0.
    CHECK_THROWS_WITH_AS(read_text("/proc/self/mem"), "cannot read '/proc/self/mem': Input/output error",
                         io_error);

    const std::string locked = folder.write("locked.txt", "text");
    REQUIRE(::chmod(locked.c_str(), 0) == 0);
    if (::access(locked.c_str(), R_OK) == 0) {
        MESSAGE("skipped: this user may read a file without permissions");
    } else {
        CHECK_THROWS_WITH_AS(read_text(locked), ("cannot read '" + locked + "': Permission denied").c_str(),
                             io_error);
    }
}

TEST_CASE("text: a binary file is refused as UTF-8 and read as bytes") {
    const test::TemporaryFolder folder;
    const std::string bytes(
        "\x7F"
        "ELF\x02\0\0rest",
        11);
    const std::string path = folder.write("program", bytes);
    CHECK_THROWS_WITH_AS(
        read_text(path),
        ("'" + path +
         "' looks like a binary file: it has a NUL byte at offset 5; read it with Encoding::bytes")
            .c_str(),
        data_error);
    CHECK(read_text(path, Encoding::bytes).bytes() == bytes);
}

}  // namespace text_test
