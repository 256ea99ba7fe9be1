#include <cstddef>
#include <string>

#include <charrnn/core/random.hpp>
#include <charrnn/data/alphabet.hpp>
#include <charrnn/data/text.hpp>
#include <charrnn/data/utf8.hpp>

#include "cases.hpp"

namespace {

using namespace charrnn;
using namespace charrnn::bench;

/// Words and blanks of ASCII; where `mixed`, also accented Latin letters, Greek and Cyrillic words, Chinese, and
/// some emoji.
std::string make_text(std::size_t bytes, bool mixed) {
    Random random(1);
    std::string text;
    text.reserve(bytes + 64);
    while (text.size() < bytes) {
        const std::uint64_t kind = mixed ? random.below(10) : 0;
        const std::uint64_t length = 1 + random.below(9);
        for (std::uint64_t i = 0; i < length; ++i) {
            char32_t c = U'a' + static_cast<char32_t>(random.below(26));
            if (kind >= 5 && kind < 7 && i % 3 == 0) c = 0xE0 + static_cast<char32_t>(random.below(30));
            if (kind == 7) c = 0x430 + static_cast<char32_t>(random.below(32));
            if (kind == 8) c = 0x4E00 + static_cast<char32_t>(random.below(500));
            if (kind == 9 && i == 0) c = 0x1F600 + static_cast<char32_t>(random.below(40));
            append_utf8(text, c);
        }
        text += random.below(12) == 0 ? '\n' : ' ';
    }
    return text;
}

void add(Cases& cases, bool mixed) {
    const std::string name = mixed ? "text/mixed" : "text/ascii";
    // One text for all cases: making it takes longer than they do.
    const auto made = [=](const Case& c) -> const std::string& {
        static std::string ascii, other;
        std::string& text = mixed ? other : ascii;
        if (text.empty()) text = make_text(c.quick() ? std::size_t{4} << 20U : 500'000'000U, mixed);
        return text;
    };
    cases.add(name + "/count", [=](Case& c) {
        const std::string& text = made(c);
        c.measure({.items = static_cast<double>(text.size()), .unit = "bytes"},
                  [&] { keep(count_code_points(text, Encoding::utf8)); });
    });
    cases.add(name + "/alphabet", [=](Case& c) {
        const Text text = Text::from_string(made(c));
        c.measure({.items = static_cast<double>(text.bytes().size()), .unit = "bytes"},
                  [&] { keep(Alphabet(text, U'\v').size()); });
    });
    cases.add(name + "/encode", [=](Case& c) {
        const Text text = Text::from_string(made(c));
        const Alphabet alphabet(text, U'\v');
        c.measure({.items = static_cast<double>(text.bytes().size()), .unit = "bytes"},
                  [&] { keep(alphabet.encode(text).size()); });
    });
}

const AddCases added([](Cases& cases) {
    add(cases, false);
    add(cases, true);
});

}  // namespace
