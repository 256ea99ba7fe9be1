#pragma once

#include <string>
#include <string_view>

#include <charrnn/data/text.hpp>
#include <charrnn/data/utf8.hpp>

namespace charrnn {

/// The small letter of a capital one: in the Latin alphabet with the accents of Western Europe (to U+00DE), in Greek
/// and in Cyrillic. Anything else as it is. Errors: none.
constexpr char32_t lower_case(char32_t c) noexcept {
    const auto in = [c](char32_t first, char32_t last) { return c >= first && c <= last; };
    if (in(U'A', U'Z') || (in(0xC0, 0xDE) && c != 0xD7) || (in(0x391, 0x3A9) && c != 0x3A2) ||
        in(0x410, 0x42F))
        return c + 32;
    if (in(0x400, 0x40F)) return c + 80;
    return c;
}

/// A text in small letters, as torchtext's Field(lower=True). In byte mode only A to Z change. Errors: none.
inline Text lower_case(const Text& text) {
    std::string lowered(text.bytes());
    if (text.encoding() == Encoding::bytes || lowered.size() == text.size()) {
        for (char& c : lowered)
            if (c >= 'A' && c <= 'Z') c = static_cast<char>(c + 32);
        return Text::from_string(std::move(lowered), text.encoding());
    }
    lowered.clear();
    text.for_each([&](char32_t c) { append_utf8(lowered, lower_case(c)); });
    return Text::from_string(std::move(lowered));
}

}  // namespace charrnn
