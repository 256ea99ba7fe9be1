#include <charrnn/data/alphabet.hpp>

#include <doctest/doctest.h>

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <optional>
#include <random>
#include <sstream>
#include <string>
#include <string_view>
#include <type_traits>
#include <utility>
#include <vector>

namespace alphabet_test {

using namespace charrnn;

namespace {

std::vector<std::uint32_t> values(const Ids& ids) {
    std::vector<std::uint32_t> all(ids.size());
    ids.copy(0, ids.size(), all.data());
    return all;
}

std::string print(const Alphabet& alphabet) {
    std::ostringstream out;
    out << alphabet;
    return out.str();
}

Text text_of(std::string bytes, Encoding encoding = Encoding::utf8) {
    return Text::from_string(std::move(bytes), encoding);
}

// Not a Text made in passing from a string: its encoding would be a guess.
static_assert(!std::is_constructible_v<Alphabet, std::string>);

}  // namespace

TEST_CASE("alphabet: characters in the order of their first appearance, the stop symbol last") {
    const Alphabet alphabet(text_of("hello w\xC3\xB6rld"), U'\v');
    CHECK(alphabet.symbols() == U"helo w\u00F6rd\v");
    CHECK(alphabet.size() == 10);
    CHECK(alphabet.id(U'h') == 0);
    CHECK(alphabet.id(0xF6) == 6);
    CHECK(alphabet.symbol(6) == 0xF6);
    CHECK(alphabet.find(U'e') == std::optional<std::uint32_t>(1));
    CHECK(alphabet.find(U'z') == std::nullopt);
    CHECK(alphabet.find(0xFFFFFFFF) == std::nullopt);
    CHECK(alphabet.contains(U'\v'));
    CHECK_FALSE(alphabet.contains(0x4F6));  // the same place in another page
    CHECK(alphabet.has_stop());
    CHECK(alphabet.stop() == U'\v');
    CHECK(alphabet.stop_id() == 9);
}

TEST_CASE("alphabet: sorted, and with a symbol in front") {
    const Text text = text_of("hello w\xC3\xB6rld");
    CHECK(Alphabet(text).symbols() == U"helo w\u00F6rd");
    CHECK(Alphabet(text, {.order = SymbolOrder::sorted}).symbols() == U" dehlorw\u00F6");
    const Alphabet nul_first(text, {.order = SymbolOrder::sorted, .front = U'\0'});
    CHECK(nul_first.symbols() == std::u32string(1, U'\0') + U" dehlorw\u00F6");
    CHECK_FALSE(nul_first.has_stop());
    CHECK(Alphabet(text, {.front = U'w'}).symbols() ==
          U"whelo \u00F6rd");  // once, though the text has it too
    CHECK(Alphabet(text, {.order = SymbolOrder::sorted, .front = U'~', .stop = U'!'}).symbols() ==
          U"~ dehlorw\u00F6!");
}

TEST_CASE("alphabet: a hundred characters and a stop symbol print as 101") {
    std::u32string hundred;
    for (char32_t c = 0; c < 100; ++c) hundred += U'!' + c;
    const Alphabet alphabet(text_of(encode(hundred + hundred)), U'\v');
    CHECK(alphabet.size() == 101);
    CHECK(print(alphabet) == "Alphabet(101 characters, stop '\\v')");
    CHECK(print(Alphabet(text_of("aaa"))) == "Alphabet(1 character)");
    CHECK(print(Alphabet(text_of("\xC3\xA9", Encoding::bytes))) == "Alphabet(2 bytes)");
}

TEST_CASE("alphabet: a stop symbol that the text holds is named with its position") {
    CHECK_THROWS_WITH_AS(
        Alphabet(text_of("na\xC3\xAFve_c"), U'_'),
        "the stop symbol '_' occurs in the text, at position 5: choose one that it does not hold",
        data_error);
    CHECK_THROWS_WITH_AS(
        Alphabet(text_of("na\xC3\xAFve"), 0xEF),
        "the stop symbol U+00EF '\xC3\xAF' occurs in the text, at position 2: choose one that it "
        "does not hold",
        data_error);
    const std::string far = std::string(10000, 'x') + "\xC3\xAF" + std::string(10000, 'x') + "_";
    CHECK_THROWS_WITH_AS(
        Alphabet(text_of(far), U'_'),
        "the stop symbol '_' occurs in the text, at position 20001: choose one that it does not hold",
        data_error);
}

TEST_CASE("alphabet: from symbols, and what they must not be") {
    const Alphabet alphabet = Alphabet::from_symbols(U"\vabc", U'\v');
    CHECK(alphabet.stop_id() == 0);
    CHECK(Alphabet::from_symbols(alphabet.symbols(), alphabet.stop(), alphabet.encoding()) == alphabet);
    CHECK_FALSE(Alphabet::from_symbols(U"\vabc") == alphabet);
    CHECK_FALSE(Alphabet::from_symbols(U"\vacb", U'\v') == alphabet);
    CHECK_FALSE(Alphabet::from_symbols(U"\vabc", U'\v', Encoding::bytes) == alphabet);

    CHECK_THROWS_WITH_AS(Alphabet::from_symbols(U"ab_c_"), "'_' stands twice in the alphabet, at 2 and 4",
                         data_error);
    CHECK_THROWS_WITH_AS(Alphabet::from_symbols(U""), "an alphabet needs at least one character", data_error);
    CHECK_THROWS_WITH_AS(Alphabet::from_symbols(U"abc", U'\n'),
                         "the stop symbol '\\n' is not in the alphabet", data_error);
    CHECK_THROWS_WITH_AS(Alphabet::from_symbols({U'a', 0xD800}),
                         "U+D800 cannot be in an alphabet of code points", data_error);
    CHECK_THROWS_AS(Alphabet::from_symbols({U'a', 0x110000}), data_error);
    CHECK_THROWS_WITH_AS(Alphabet(text_of("abc", Encoding::bytes), 0x20AC),
                         "U+20AC '\xE2\x82\xAC' cannot be in an alphabet of bytes", data_error);
    CHECK_THROWS_WITH_AS(Alphabet(text_of("")), "an alphabet cannot be made: the text is empty", data_error);
}

TEST_CASE("alphabet: what it lacks is named") {
    const Alphabet alphabet(text_of("abc"));
    CHECK_THROWS_WITH_AS(alphabet.id(0xE9), "the alphabet has no U+00E9 '\xC3\xA9'", data_error);
    CHECK_THROWS_WITH_AS(alphabet.symbol(3), "no character has the id 3 in an alphabet of 3", value_error);
    CHECK_THROWS_WITH_AS(alphabet.stop(), "the alphabet has no stop symbol", value_error);
    CHECK_THROWS_AS(alphabet.stop_id(), value_error);
    CHECK_THROWS_AS(alphabet.decode(std::vector<std::uint32_t>{0, 3}), value_error);
}

TEST_CASE("alphabet: unknown characters are refused, skipped or replaced") {
    const Alphabet alphabet = Alphabet::from_symbols(U"abc\u20AC?");
    CHECK(values(alphabet.encode(std::string_view("cab\xE2\x82\xAC"))) ==
          std::vector<std::uint32_t>{2, 0, 1, 3});
    CHECK(values(alphabet.encode(U"cab\u20AC")) == std::vector<std::uint32_t>{2, 0, 1, 3});

    const std::string text =
        "a\xE2\x82\xAC"
        "xb\xC3\xA9\xFF"
        "c";
    for (const bool as_text : {true, false}) {
        const auto encoded = [&](Unknown unknown) {
            return as_text ? alphabet.encode(text_of(text), unknown)
                           : alphabet.encode(std::u32string_view(decode(text)), unknown);
        };
        CHECK_THROWS_WITH_AS(encoded(Unknown::error()),
                             "the alphabet has no 'x', which the text has at position 2", data_error);
        CHECK(values(encoded(Unknown::skip())) == std::vector<std::uint32_t>{0, 3, 1, 2});
        CHECK(values(encoded(Unknown::replace(U'?'))) == std::vector<std::uint32_t>{0, 3, 4, 1, 4, 4, 2});
        CHECK_THROWS_WITH_AS(encoded(Unknown::replace(U'!')), "the alphabet has no '!'", data_error);
    }
    CHECK_THROWS_WITH_AS(alphabet.encode("ab\xC3\xA9"),
                         "the alphabet has no U+00E9 '\xC3\xA9', which the text has at position 2",
                         data_error);
    CHECK_THROWS_WITH_AS(alphabet.encode("\xE2\x82\xAC\xFF"),
                         "the alphabet has no byte 0xFF, which the text has at position 1", data_error);
    const std::string far = std::string(5000, 'a') + "\xE2\x82\xAC" + std::string(5000, 'b') + "z";
    CHECK_THROWS_WITH_AS(alphabet.encode(far),
                         "the alphabet has no 'z', which the text has at position 10001", data_error);
}

TEST_CASE("alphabet: byte mode has the bytes as symbols") {
    std::string bytes;
    for (int round = 0; round < 40; ++round) {
        for (int b = 255; b >= 0; --b) bytes += static_cast<char>(static_cast<unsigned char>(b));
    }
    const Text text = text_of(bytes, Encoding::bytes);
    const Alphabet alphabet(text);
    CHECK(alphabet.size() == 256);
    CHECK(alphabet.id(0xFF) == 0);
    const Ids ids = alphabet.encode(text);
    CHECK(ids.width() == 1);
    CHECK(alphabet.decode(ids) == bytes);
    CHECK(values(alphabet.encode("\xFF\xFE")) == std::vector<std::uint32_t>{0, 1});
    CHECK_THROWS_WITH_AS(alphabet.encode(text_of("abc")),
                         "the alphabet is one of bytes, but the text was read as UTF-8", data_error);
    CHECK_THROWS_AS(Alphabet(text_of("abc")).encode(text), data_error);
    CHECK_THROWS_WITH_AS(Alphabet(text_of("abc", Encoding::bytes)).encode("ab\xE9"),
                         "the alphabet has no byte 0xE9, which the text has at position 2", data_error);
}

TEST_CASE("alphabet: an id takes one byte up to 256 symbols, two up to 65,536, then four") {
    for (const std::size_t count : {255U, 256U, 257U, 65536U, 65537U}) {
        std::u32string symbols;
        for (char32_t c = 0; symbols.size() < count; ++c) {
            if (c < 0xD800 || c > 0xDFFF) symbols += c;
        }
        std::reverse(symbols.begin(), symbols.end());
        const Text text = text_of(encode(symbols));
        const Alphabet alphabet(text);
        const Ids ids = alphabet.encode(text);
        CHECK(alphabet.symbols() == symbols);
        CHECK(ids.width() == (count <= 256 ? 1U : count <= 65536 ? 2U : 4U));
        CHECK(ids[count - 1] == count - 1);
        CHECK(alphabet.decode(ids) == text.bytes());
    }
}

TEST_CASE("alphabet: random bytes come back from encode and decode, and equal the slow way") {
    std::mt19937 random(128);
    for (int round = 0; round < 300; ++round) {
        std::string bytes;
        const std::size_t length = 1 + random() % 300;
        const unsigned mask = round % 3 == 0 ? 0x7F : 0xFF;
        for (std::size_t i = 0; i < length; ++i) {
            bytes += static_cast<char>(static_cast<unsigned char>(random() & mask));
        }
        for (const Encoding encoding : {Encoding::utf8, Encoding::bytes}) {
            const Text text = text_of(bytes, encoding);
            const Alphabet alphabet(text);
            const Ids ids = alphabet.encode(text);
            REQUIRE(alphabet.decode(ids) == bytes);
            std::u32string seen;
            std::vector<std::uint32_t> expected;
            for (const char32_t c : text.to_u32()) {
                if (seen.find(c) == std::u32string::npos) seen += c;
                expected.push_back(static_cast<std::uint32_t>(seen.find(c)));
            }
            REQUIRE(alphabet.symbols() == seen);
            REQUIRE(values(ids) == expected);
        }
    }
}

TEST_CASE("alphabet: the text of single ids, as sampling writes it") {
    const Alphabet alphabet(text_of("a\xE2\x82\xAC\xFF"));
    std::string out;
    for (const std::uint32_t id : {1U, 0U, 2U}) alphabet.append_to(out, id);
    CHECK(out ==
          "\xE2\x82\xAC"
          "a\xFF");
    CHECK(alphabet.decode(std::vector<std::uint32_t>{1, 0, 2}) == out);
}

}  // namespace alphabet_test
