#pragma once

#include <cstddef>
#include <cstdint>
#include <cstring>
#include <string>
#include <string_view>

#include <charrnn/core/error.hpp>
#include <charrnn/core/once.hpp>

/// @file
/// UTF-8 to code points and back, without loss: any byte string survives decode and encode exactly.
///
/// A byte b that belongs to no well-formed sequence (an overlong form, an encoded surrogate, a value above
/// U+10FFFF, a sequence cut short, a stray continuation) becomes the code point U+DC00 + b, one for each
/// byte, and is written back as that byte. These are lone surrogates, which no well-formed text can hold.
/// Source: PEP 383 (Python's "surrogateescape"); well-formed sequences: the Unicode Standard, table 3-7.

namespace charrnn {

/// What one character of a text is.
enum class Encoding {
    utf8,   ///< a code point; the bytes are UTF-8
    bytes,  ///< a byte, 0..255
};

namespace detail {

inline constexpr char32_t escape_base = 0xDC00;  // U+DC00 + b stands for a malformed byte b
inline constexpr char32_t last_code_point = 0x10FFFF;

inline const unsigned char* as_bytes(const char* p) noexcept {
    return reinterpret_cast<const unsigned char*>(p);
}

constexpr bool is_escape(char32_t c) noexcept { return c >= escape_base + 0x80 && c <= escape_base + 0xFF; }

constexpr bool is_encodable(char32_t c) noexcept {
    return c < 0xD800 || (c > 0xDFFF && c <= last_code_point) || is_escape(c);
}

constexpr bool is_continuation(unsigned char b) noexcept { return (b & 0xC0U) == 0x80U; }

inline bool eight_ascii(const unsigned char* p) noexcept {
    std::uint64_t word;
    std::memcpy(&word, p, sizeof word);
    return (word & 0x8080808080808080U) == 0;
}

}  // namespace detail

/// Decodes the character at p and returns where the next one begins; never reads at or past `end`.
/// A malformed byte b is a character by itself, U+DC00 + b. Expects p < end. Errors: none.
inline const unsigned char* decode_one(const unsigned char* p, const unsigned char* end,
                                       char32_t& c) noexcept {
    using detail::is_continuation;
    const char32_t lead = p[0];
    if (lead < 0x80) {
        c = lead;
        return p + 1;
    }
    const std::ptrdiff_t left = end - p;
    if (lead < 0xE0) {
        if (lead >= 0xC2 && left >= 2 && is_continuation(p[1])) {
            c = ((lead & 0x1FU) << 6U) | (p[1] & 0x3FU);
            return p + 2;
        }
    } else if (lead < 0xF0) {
        if (left >= 3 && is_continuation(p[1]) && is_continuation(p[2])) {
            c = ((lead & 0x0FU) << 12U) | ((p[1] & 0x3FU) << 6U) | (p[2] & 0x3FU);
            if (c >= 0x800 && (c < 0xD800 || c > 0xDFFF)) return p + 3;
        }
    } else if (lead < 0xF5 && left >= 4 && is_continuation(p[1]) && is_continuation(p[2]) &&
               is_continuation(p[3])) {
        c = ((lead & 0x07U) << 18U) | ((p[1] & 0x3FU) << 12U) | ((p[2] & 0x3FU) << 6U) | (p[3] & 0x3FU);
        if (c >= 0x10000 && c <= detail::last_code_point) return p + 4;
    }
    c = detail::escape_base + lead;
    return p + 1;
}

namespace detail {

/// Walks over a text once, in order: `on_run(p, q)` gets each stretch of bytes that are characters by
/// themselves (ASCII in UTF-8; everything in byte mode), `on_character(c)` each of the other code points.
/// A stretch is at most a few kilobytes, so that a second look at it comes from the cache.
template <class OnRun, class OnCharacter>
void scan(std::string_view bytes, Encoding encoding, OnRun&& on_run, OnCharacter&& on_character) {
    constexpr std::ptrdiff_t longest_run = 4096;
    const unsigned char* p = as_bytes(bytes.data());
    const unsigned char* const end = p + bytes.size();
    while (p != end) {
        const unsigned char* const limit = end - p > longest_run ? p + longest_run : end;
        const unsigned char* q = p;
        if (encoding == Encoding::bytes) {
            q = limit;
        } else {
            while (limit - q >= 8 && eight_ascii(q)) q += 8;
            while (q != limit && *q < 0x80) ++q;
        }
        if (q != p) on_run(p, q);
        p = q;
        while (p != end && *p >= 0x80 && encoding == Encoding::utf8) {
            char32_t c;
            p = decode_one(p, end, c);
            on_character(c);
        }
    }
}

}  // namespace detail

/// Calls f(c) for every character of the text in order; c is a code point (utf8) or a byte (bytes).
/// Errors: none of its own.
template <class F>
void for_each_code_point(std::string_view bytes, Encoding encoding, F&& f) {
    detail::scan(
        bytes, encoding,
        [&f](const unsigned char* p, const unsigned char* q) {
            for (; p != q; ++p) f(static_cast<char32_t>(*p));
        },
        [&f](char32_t c) { f(c); });
}

/// The same for UTF-8.
template <class F>
void for_each_code_point(std::string_view bytes, F&& f) {
    for_each_code_point(bytes, Encoding::utf8, f);
}

/// How many characters the text has. Errors: none.
std::size_t count_code_points(std::string_view bytes, Encoding encoding = Encoding::utf8);

/// The byte offset of the character with index `count` (the size of the text if it has no more than that).
/// Errors: none.
std::size_t offset_of_code_point(std::string_view bytes, std::size_t count) noexcept;

/// The code points of a UTF-8 text; see the top of the file for malformed bytes. Errors: none.
std::u32string decode(std::string_view bytes);

/// Appends one code point as UTF-8; U+DC80..U+DCFF as the byte that it stands for.
/// Errors: data_error if c is another surrogate or above U+10FFFF.
void append_utf8(std::string& out, char32_t c);

/// The UTF-8 text of these code points: encode(decode(bytes)) == bytes for any bytes. The other way round
/// holds unless escaped bytes stand side by side that make up a well-formed sequence.
/// Errors: data_error as append_utf8.
std::string encode(std::u32string_view text);

/// A character as an error message names it: 'a', '\n', U+00E9 'é', U+0085, byte 0xFF. In byte mode whatever
/// is not ASCII is a byte. Errors: none, whatever c is.
std::string printable(char32_t c, Encoding encoding = Encoding::utf8);

}  // namespace charrnn

#ifdef CHARRNN_ONCE
namespace charrnn {

namespace detail {

CHARRNN_ONCE std::string hex(char32_t value, int least_digits) {
    std::string digits;
    for (; value != 0 || least_digits > 0; value >>= 4U, --least_digits) {
        digits.insert(digits.begin(), "0123456789ABCDEF"[value & 0xFU]);
    }
    return digits;
}

// Characters that would not show, or would disturb the line around them: controls, joiners, line and
// paragraph separators, marks of direction, the byte order mark.
constexpr bool is_invisible(char32_t c) noexcept {
    return c < 0x20 || (c >= 0x7F && c <= 0xA0) || c == 0xAD || (c >= 0x200B && c <= 0x200F) ||
           (c >= 0x2028 && c <= 0x202E) || (c >= 0x2060 && c <= 0x206F) || c == 0xFEFF;
}

}  // namespace detail

CHARRNN_ONCE std::size_t count_code_points(std::string_view bytes, Encoding encoding) {
    if (encoding == Encoding::bytes) return bytes.size();
    std::size_t count = 0;
    detail::scan(
        bytes, encoding,
        [&count](const unsigned char* p, const unsigned char* q) {
            count += static_cast<std::size_t>(q - p);
        },
        [&count](char32_t) { ++count; });
    return count;
}

CHARRNN_ONCE std::size_t offset_of_code_point(std::string_view bytes, std::size_t count) noexcept {
    const unsigned char* const begin = detail::as_bytes(bytes.data());
    const unsigned char* const end = begin + bytes.size();
    const unsigned char* p = begin;
    while (count != 0 && p != end) {
        if (count >= 8 && end - p >= 8 && detail::eight_ascii(p)) {
            p += 8;
            count -= 8;
        } else {
            char32_t c;
            p = decode_one(p, end, c);
            --count;
        }
    }
    return static_cast<std::size_t>(p - begin);
}

CHARRNN_ONCE std::u32string decode(std::string_view bytes) {
    std::u32string text(count_code_points(bytes), U'\0');
    auto out = text.begin();
    for_each_code_point(bytes, [&out](char32_t c) { *out++ = c; });
    return text;
}

CHARRNN_ONCE std::string encode(std::u32string_view text) {
    std::string bytes;
    bytes.reserve(text.size());
    for (const char32_t c : text) append_utf8(bytes, c);
    return bytes;
}

CHARRNN_ONCE std::string printable(char32_t c, Encoding encoding) {
    switch (c) {
        case U'\0':
            return "'\\0'";
        case U'\t':
            return "'\\t'";
        case U'\n':
            return "'\\n'";
        case U'\v':
            return "'\\v'";
        case U'\f':
            return "'\\f'";
        case U'\r':
            return "'\\r'";
        case U'\\':
            return "'\\\\'";
        case U'\'':
            return "'\\''";
        default:
            break;
    }
    if (c < 0x80) {
        if (detail::is_invisible(c)) return "'\\x" + detail::hex(c, 2) + "'";
        return std::string("'") + static_cast<char>(c) + "'";
    }
    if (encoding == Encoding::bytes && c <= 0xFF) return "byte 0x" + detail::hex(c, 2);
    if (detail::is_escape(c)) return "byte 0x" + detail::hex(c - detail::escape_base, 2);
    std::string name = "U+" + detail::hex(c, 4);
    if (detail::is_encodable(c) && !detail::is_invisible(c)) {
        name += " '";
        append_utf8(name, c);
        name += '\'';
    }
    return name;
}

CHARRNN_ONCE void append_utf8(std::string& out, char32_t c) {
    const auto put = [&out](char32_t byte) {
        out.push_back(static_cast<char>(static_cast<unsigned char>(byte)));
    };
    const auto put_continuation = [&put](char32_t bits) { put(0x80U | (bits & 0x3FU)); };
    if (c < 0x80) {
        put(c);
    } else if (!detail::is_encodable(c)) {
        throw data_error("append_utf8: " + printable(c) + " is not a character that UTF-8 can write");
    } else if (detail::is_escape(c)) {
        put(c - detail::escape_base);
    } else if (c < 0x800) {
        put(0xC0U | (c >> 6U));
        put_continuation(c);
    } else if (c < 0x10000) {
        put(0xE0U | (c >> 12U));
        put_continuation(c >> 6U);
        put_continuation(c);
    } else {
        put(0xF0U | (c >> 18U));
        put_continuation(c >> 12U);
        put_continuation(c >> 6U);
        put_continuation(c);
    }
}

}  // namespace charrnn
#endif
