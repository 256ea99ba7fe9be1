#include <doctest/doctest.h>

#include <charrnn/io/json.hpp>
#include <cstdint>
#include <string>
#include <utility>
#include <vector>

namespace json_test {

using namespace charrnn;

namespace {

/// Writes down what it is told, and stops where it is too deep.
struct Log {
    std::string text;
    std::size_t depth = 0;

    bool add(const std::string& s) {
        text += s + " ";
        return true;
    }
    bool null() { return add("null"); }
    bool boolean(bool b) { return add(b ? "true" : "false"); }
    bool number_unsigned(std::uint64_t n) { return add("u" + std::to_string(n)); }
    bool number_integer(std::int64_t n) { return add("i" + std::to_string(n)); }
    bool number_float(double x, const std::string& s) { return add("f" + s + "=" + std::to_string(x)); }
    bool string(const std::string& s) { return add("'" + s + "'"); }
    bool key(const std::string& s) { return add(s + ":"); }
    bool start_object() { return add("{") && ++depth < 4; }
    bool end_object() { return add("}") && depth-- > 0; }
    bool start_array() { return add("[") && ++depth < 4; }
    bool end_array() { return add("]") && depth-- > 0; }
    bool parse_error(std::size_t n) { return !add("wrong at " + std::to_string(n)); }
};

std::string read(const std::string& json) {
    Log log;
    const bool ok = detail::parse_json(json, log);
    CHECK(ok == (log.text.find("wrong") == std::string::npos && log.depth == 0));
    return log.text;
}

}  // namespace

TEST_CASE("JSON is told piece by piece") {
    CHECK(read(R"({"a":{"b":[1,2]},"c":"d"})") == "{ a: { b: [ u1 u2 ] } c: 'd' } ");
    CHECK(read(" [ ] ") == "[ ] ");
    CHECK(read("\t{\r\n}") == "{ } ");
    CHECK(read(R"([null, true, false, "", {}])") == "[ null true false '' { } ] ");
    CHECK(read("[0,-0,-7,18446744073709551615,-9223372036854775808]") ==
          "[ u0 i0 i-7 u18446744073709551615 i-9223372036854775808 ] ");
    CHECK(read("[1.5,2e1,2E-1]") == "[ f1.5=1.500000 f2e1=20.000000 f2E-1=0.200000 ] ");
    CHECK(read("18446744073709551616") == "f18446744073709551616=18446744073709551616.000000 ");
    CHECK(read(R"("\"\\\/\b\f\n\r\t")") == "'\"\\/\b\f\n\r\t' ");
    CHECK(read(R"("\u00e4\u20AC\ud83d\ude00")") == "'\xC3\xA4\xE2\x82\xAC\xF0\x9F\x98\x80' ");
    CHECK(read("\"\xC3\xA4\x7F\"") == "'\xC3\xA4\x7F' ");
    CHECK(read(std::string("\"\\u0000\"")) == std::string("'\0' ", 4));
}

TEST_CASE("what is not JSON is refused, with its byte") {
    const std::vector<std::pair<std::string, std::size_t>> wrong{
        {"", 1},
        {" ", 2},
        {"[1,]", 4},
        {"[1", 3},
        {"[1 2]", 4},
        {"[]]", 3},
        {"{\"a\"}", 5},
        {"{\"a\":}", 6},
        {"{\"a\":1,}", 8},
        {"{a:1}", 2},
        {"{1:1}", 2},
        {"nul", 4},
        {"nulL", 4},
        {"truE", 4},
        {"True", 1},
        {"'a'", 1},
        {"\"a", 3},
        {"\"\\", 3},
        {"\"\\x\"", 3},
        {"\"\n\"", 2},
        {"\"\\u12\"", 4},
        {"\"\\u12g4\"", 4},
        {"\"\\u+123\"", 4},
        {"\"\\uD800\"", 8},
        {"\"\\uDC00\"", 8},
        {"\"\xFF\"", 2},
        {"\"\xC3\"", 2},
        {"\"\xC0\x80\"", 2},
        {"\"\xED\xA0\x80\"", 2},
        {"\"\xF4\x90\x80\x80\"", 2},
        {"\"\\uD800\\u0041\"", 14},
        {"\"\\uD800x\"", 8},
        {"01", 2},
        {"-", 2},
        {"+1", 1},
        {".5", 1},
        {"1.", 3},
        {"1e", 3},
        {"1e+", 4},
        {"0x1", 2},
        {"NaN", 1},
        {"-Infinity", 2},
        {"1e999", 6},
        {"/* */1", 1},
        {"1//", 2},
        {"\xEF\xBB\xBF"
         "1",
         1},
    };
    for (const auto& [json, byte] : wrong) {
        CAPTURE(json);
        const std::string got = read(json), expected = "wrong at " + std::to_string(byte) + " ";
        CHECK(got.substr(got.size() < expected.size() ? 0 : got.size() - expected.size()) == expected);
    }
    CHECK(read(std::string("\0", 1)) == "wrong at 1 ");
    CHECK(read(std::string("[]\0", 3)) == "[ ] wrong at 3 ");
    CHECK(read(std::string("\"\0\"", 3)) == "wrong at 2 ");
}

TEST_CASE("a handler that says stop is told nothing more") {
    Log log;
    CHECK(!detail::parse_json(std::string(100'000, '['), log));
    CHECK(log.text == "[ [ [ [ ");
}

}  // namespace json_test
