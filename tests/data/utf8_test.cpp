#include <charrnn/data/utf8.hpp>

#include <doctest/doctest.h>

#include <cstddef>
#include <initializer_list>
#include <iterator>
#include <random>
#include <string>
#include <string_view>

namespace utf8_test {

using namespace charrnn;

namespace {

// The decoder again, as slowly as one can write it: the ranges of the Unicode Standard's table 3-7.
struct Row {
    unsigned lead_from, lead_to, second_from, second_to;
    std::size_t length;
};
constexpr Row table_3_7[] = {
    {0x00, 0x7F, 0, 0, 1},       {0xC2, 0xDF, 0x80, 0xBF, 2}, {0xE0, 0xE0, 0xA0, 0xBF, 3},
    {0xE1, 0xEC, 0x80, 0xBF, 3}, {0xED, 0xED, 0x80, 0x9F, 3}, {0xEE, 0xEF, 0x80, 0xBF, 3},
    {0xF0, 0xF0, 0x90, 0xBF, 4}, {0xF1, 0xF3, 0x80, 0xBF, 4}, {0xF4, 0xF4, 0x80, 0x8F, 4},
};

std::u32string naive_decode(std::string_view bytes) {
    std::u32string text;
    std::size_t i = 0;
    const auto at = [&](std::size_t k) {
        return static_cast<unsigned>(static_cast<unsigned char>(bytes[k]));
    };
    while (i < bytes.size()) {
        std::size_t length = 0;
        for (const Row& row : table_3_7) {
            if (at(i) < row.lead_from || at(i) > row.lead_to || i + row.length > bytes.size()) continue;
            bool fits = true;
            for (std::size_t k = 1; k < row.length; ++k) {
                const unsigned from = k == 1 ? row.second_from : 0x80;
                const unsigned to = k == 1 ? row.second_to : 0xBF;
                fits = fits && at(i + k) >= from && at(i + k) <= to;
            }
            if (fits) length = row.length;
        }
        if (length == 0) {
            text += static_cast<char32_t>(0xDC00 + at(i));
            ++i;
        } else {
            char32_t c = length == 1 ? at(i) : at(i) & (0x7FU >> length);
            for (std::size_t k = 1; k < length; ++k) c = c * 64 + (at(i + k) & 0x3FU);
            text += c;
            i += length;
        }
    }
    return text;
}

// True if decoding and encoding agree with the naive decoder and give the bytes back; no CHECK inside, since
// these run hundreds of thousands of times.
bool survives(std::string_view bytes) {
    const std::u32string text = decode(bytes);
    return text == naive_decode(bytes) && text.size() == count_code_points(bytes) && encode(text) == bytes;
}

std::string bytes_of(std::initializer_list<int> values) {
    std::string bytes;
    for (const int v : values) bytes += static_cast<char>(static_cast<unsigned char>(v));
    return bytes;
}

}  // namespace

TEST_CASE("utf8: well-formed sequences of one to four bytes, and their first and last code points") {
    CHECK(decode("").empty());
    CHECK(decode("a\xC3\xA9\xE2\x82\xAC\xF0\x9F\x98\x80z") == U"a\u00E9\u20AC\U0001F600z");
    for (const char32_t c :
         {0x0U, 0x7FU, 0x80U, 0x7FFU, 0x800U, 0xD7FFU, 0xE000U, 0xFFFFU, 0x10000U, 0x10FFFFU}) {
        const std::u32string one(1, c);
        CHECK(decode(encode(one)) == one);
    }
    CHECK(encode(U"\u00E9\u20AC\U0001F600") == "\xC3\xA9\xE2\x82\xAC\xF0\x9F\x98\x80");
}

TEST_CASE("utf8: every code point survives encode and decode") {
    std::u32string all;
    for (char32_t c = 0; c <= 0x10FFFF; ++c) {
        if (c < 0xD800 || c > 0xDFFF) all += c;
    }
    const std::string bytes = encode(all);
    CHECK(bytes.size() == 128 + 1920 * 2 + (63488 - 2048) * 3 + 1048576 * 4);
    CHECK(decode(bytes) == all);
}

TEST_CASE("utf8: each malformed byte becomes U+DC00 + byte") {
    CHECK(decode(bytes_of({0x80})) == std::u32string{0xDC80});                // stray continuation
    CHECK(decode(bytes_of({0xFF, 0xFE})) == std::u32string{0xDCFF, 0xDCFE});  // never a lead byte
    CHECK(decode(bytes_of({0xC0, 0x80})) == std::u32string{0xDCC0, 0xDC80});  // overlong NUL
    CHECK(decode(bytes_of({0xE0, 0x9F, 0xBF})) == std::u32string{0xDCE0, 0xDC9F, 0xDCBF});
    CHECK(decode(bytes_of({0xED, 0xB2, 0x80})) == std::u32string{0xDCED, 0xDCB2, 0xDC80});  // U+DC80 encoded
    CHECK(decode(bytes_of({0xF4, 0x90, 0x80, 0x80})) == std::u32string{0xDCF4, 0xDC90, 0xDC80, 0xDC80});
    CHECK(decode(bytes_of({0xE2, 0x82})) == std::u32string{0xDCE2, 0xDC82});  // cut short
    CHECK(decode(bytes_of({0xE2, 0x82, 'a'})) == std::u32string{0xDCE2, 0xDC82, U'a'});
    CHECK(encode(std::u32string{0xDC80, U'a', 0xDCFF}) == bytes_of({0x80, 'a', 0xFF}));
}

TEST_CASE("utf8: all strings of one and two bytes survive") {
    int lost = 0;
    for (int a = 0; a < 256; ++a) {
        lost += survives(bytes_of({a})) ? 0 : 1;
        for (int b = 0; b < 256; ++b) lost += survives(bytes_of({a, b})) ? 0 : 1;
    }
    CHECK(lost == 0);
}

TEST_CASE("utf8: lead bytes with bytes at the edges of every range after them survive") {
    constexpr int edges[] = {0x00, 0x7F, 0x80, 0x8F, 0x90, 0x9F, 0xA0, 0xBF, 0xC0, 0xED, 0xF4, 0xFF};
    int lost = 0;
    for (int lead = 0xC0; lead < 256; ++lead) {
        for (const int b : edges) {
            for (const int c : edges) {
                lost += survives(bytes_of({lead, b, c})) ? 0 : 1;
                for (const int d : edges) lost += survives(bytes_of({lead, b, c, d})) ? 0 : 1;
            }
        }
    }
    CHECK(lost == 0);
}

TEST_CASE("utf8: 100,000 random byte strings survive") {
    std::mt19937 random(20150521);
    // Half of the bytes come from the ranges where sequences are made, or hardly any would be well formed.
    constexpr unsigned likely[] = {0x80, 0xBF, 0x9F, 0xA0, 0xC2, 0xE0, 0xE2,
                                   0xED, 0xF0, 0xF4, 'a',  'b',  ' ',  '\n'};
    int lost = 0;
    std::string bytes;
    for (int round = 0; round < 100000; ++round) {
        bytes.clear();
        const std::size_t length = random() % 40;
        for (std::size_t i = 0; i < length; ++i) {
            const unsigned byte =
                (random() & 1U) != 0 ? likely[random() % std::size(likely)] : random() & 0xFFU;
            bytes += static_cast<char>(static_cast<unsigned char>(byte));
        }
        lost += survives(bytes) ? 0 : 1;
    }
    CHECK(lost == 0);
}

TEST_CASE("utf8: runs of ASCII of every length around the eight-byte words and the block size") {
    int lost = 0;
    for (const std::size_t base : {0U, 4080U, 8180U}) {
        for (std::size_t n = base; n < base + 40; ++n) {
            const std::string run(n, 'x');
            lost += survives(run) ? 0 : 1;
            lost += survives(run + "\xC3\xA9" + run) ? 0 : 1;
            lost += survives("\xE2\x82\xAC" + run + "\xFF") ? 0 : 1;
        }
    }
    CHECK(lost == 0);
}

TEST_CASE("utf8: byte mode gives every byte as it is") {
    std::string bytes;
    for (int b = 0; b < 256; ++b) bytes += static_cast<char>(static_cast<unsigned char>(b));
    char32_t expected = 0;
    bool same = true;
    for_each_code_point(bytes, Encoding::bytes, [&](char32_t c) { same = same && c == expected++; });
    CHECK(same);
    CHECK(expected == 256);
    CHECK(count_code_points(bytes, Encoding::bytes) == 256);
}

TEST_CASE("utf8: the offset of a character") {
    const std::string text =
        "0123456789\xC3\xA9\xE2\x82\xAC"
        "abcdefghij\xFFz";
    const std::u32string points = decode(text);
    for (std::size_t i = 0; i <= points.size(); ++i) {
        CHECK(offset_of_code_point(text, i) == encode(std::u32string_view(points).substr(0, i)).size());
    }
    CHECK(offset_of_code_point(text, 1000) == text.size());
}

TEST_CASE("utf8: what cannot be written is refused by name") {
    std::string out;
    CHECK_THROWS_WITH_AS(append_utf8(out, 0xD800),
                         "append_utf8: U+D800 is not a character that UTF-8 can write", data_error);
    CHECK_THROWS_AS(append_utf8(out, 0xDC7F), data_error);
    CHECK_THROWS_AS(append_utf8(out, 0xDD00), data_error);
    CHECK_THROWS_AS(append_utf8(out, 0x110000), data_error);
    CHECK(out.empty());
}

TEST_CASE("utf8: characters as messages name them") {
    CHECK(printable(U'a') == "'a'");
    CHECK(printable(U' ') == "' '");
    CHECK(printable(U'\n') == "'\\n'");
    CHECK(printable(U'\t') == "'\\t'");
    CHECK(printable(U'\v') == "'\\v'");
    CHECK(printable(U'\f') == "'\\f'");
    CHECK(printable(U'\r') == "'\\r'");
    CHECK(printable(U'\\') == "'\\\\'");
    CHECK(printable(U'\0') == "'\\0'");
    CHECK(printable(U'\'') == "'\\''");
    CHECK(printable(0x1B) == "'\\x1B'");
    CHECK(printable(0x7F) == "'\\x7F'");
    CHECK(printable(0xE9) == "U+00E9 '\xC3\xA9'");
    CHECK(printable(0x1F600) == "U+1F600 '\xF0\x9F\x98\x80'");
    CHECK(printable(0x85) == "U+0085");
    CHECK(printable(0x202E) == "U+202E");
    CHECK(printable(0xDCFF) == "byte 0xFF");
    CHECK(printable(0xD800) == "U+D800");
    CHECK(printable(0x110000) == "U+110000");
    CHECK(printable(0xE9, Encoding::bytes) == "byte 0xE9");
    CHECK(printable(U'a', Encoding::bytes) == "'a'");
}

}  // namespace utf8_test
