#pragma once

#include <charconv>
#include <cstddef>
#include <cstdint>
#include <string>
#include <string_view>
#include <system_error>

#include <charrnn/data/utf8.hpp>

/// @file
/// A reader of JSON for the headers of files: it makes no tree, only tells what it meets.

namespace charrnn::detail {

/// Reads JSON and calls the handler for each thing in it: null(), boolean(b), number_unsigned(u), number_integer(i) for a
/// whole number with a sign, number_float(x, text) for any other, string(s), start_object(), key(s), end_object(),
/// start_array(), end_array(). Each returns whether to go on. Where the text is not JSON, parse_error(n) with n the byte,
/// counted from 1; a number that no double can hold is not JSON either.
///
/// The handler must bound the depth: each level is a call within a call.
///
/// Source: RFC 8259, with well-formed UTF-8 required
template <class Handler>
class JsonParser {
  public:
    JsonParser(std::string_view text, Handler& handler) : text_(text), handler_(handler) {}

    /// Whether all was JSON and the handler never said to stop.
    bool parse() {
        if (!value()) return false;
        skip_space();
        return at_ == text_.size() || wrong();
    }

  private:
    bool wrong() { return handler_.parse_error(at_ + 1); }
    /// The next byte, or NUL at the end, which no JSON has outside of strings.
    [[nodiscard]] char peek() const { return at_ < text_.size() ? text_[at_] : '\0'; }
    bool accept(char c) {
        if (peek() != c || at_ == text_.size()) return false;
        ++at_;
        return true;
    }
    void skip_space() {
        while (peek() == ' ' || peek() == '\t' || peek() == '\n' || peek() == '\r') ++at_;
    }
    bool word(std::string_view expected) {
        for (const char c : expected)
            if (!accept(c)) return wrong();
        return true;
    }

    bool value() {
        skip_space();
        switch (peek()) {
            case '{':
                return object();
            case '[':
                return array();
            case '"':
                return string() && handler_.string(string_);
            case 'n':
                return word("null") && handler_.null();
            case 't':
                return word("true") && handler_.boolean(true);
            case 'f':
                return word("false") && handler_.boolean(false);
            default:
                return number();
        }
    }

    bool object() {
        ++at_;
        if (!handler_.start_object()) return false;
        skip_space();
        if (accept('}')) return handler_.end_object();
        do {
            skip_space();
            if (!string() || !handler_.key(string_)) return false;
            skip_space();
            if (!accept(':')) return wrong();
            if (!value()) return false;
            skip_space();
        } while (accept(','));
        return accept('}') ? handler_.end_object() : wrong();
    }

    bool array() {
        ++at_;
        if (!handler_.start_array()) return false;
        skip_space();
        if (accept(']')) return handler_.end_array();
        do {
            if (!value()) return false;
            skip_space();
        } while (accept(','));
        return accept(']') ? handler_.end_array() : wrong();
    }

    /// A string, into string_.
    bool string() {
        if (!accept('"')) return wrong();
        string_.clear();
        while (at_ < text_.size()) {
            const auto* const p = as_bytes(text_.data()) + at_;
            if (*p == '"') {
                ++at_;
                return true;
            }
            if (*p == '\\') {
                if (!escape()) return false;
                continue;
            }
            char32_t c = 0;
            const auto* const next = decode_one(p, as_bytes(text_.data()) + text_.size(), c);
            if (c < 0x20 || is_escape(c)) return wrong();  // a control character, or no UTF-8
            string_.append(text_, at_, static_cast<std::size_t>(next - p));
            at_ += static_cast<std::size_t>(next - p);
        }
        return wrong();
    }

    /// What a backslash begins.
    bool escape() {
        constexpr std::string_view names = "\"\\/bfnrt", meanings = "\"\\/\b\f\n\r\t";
        ++at_;
        if (accept('u')) return code_unit_escape();
        const std::size_t which = at_ < text_.size() ? names.find(text_[at_]) : std::string_view::npos;
        if (which == std::string_view::npos) return wrong();
        string_ += meanings[which];
        ++at_;
        return true;
    }
    /// \uXXXX, or two of them for a character beyond U+FFFF.
    bool code_unit_escape() {
        char32_t c = 0, low = 0;
        if (!hex(c)) return false;
        if (c >= 0xDC00 && c <= 0xDFFF) return wrong();
        if (c >= 0xD800 && c <= 0xDBFF) {
            if (!accept('\\') || !accept('u')) return wrong();
            if (!hex(low)) return false;
            if (low < 0xDC00 || low > 0xDFFF) return wrong();
            c = 0x10000 + ((c - 0xD800) << 10U) + (low - 0xDC00);
        }
        append_utf8(string_, c);
        return true;
    }
    bool hex(char32_t& c) {
        std::uint32_t n = 0;
        const char* const p = text_.data() + at_;
        if (text_.size() - at_ < 4 || std::from_chars(p, p + 4, n, 16).ptr != p + 4) return wrong();
        at_ += 4;
        c = n;
        return true;
    }

    bool number() {
        const std::size_t begin = at_;
        const bool negative = accept('-');
        if (!accept('0') && !digits()) return wrong();
        bool whole = true;
        if (accept('.')) {
            whole = false;
            if (!digits()) return wrong();
        }
        if (accept('e') || accept('E')) {
            whole = false;
            if (!accept('+')) accept('-');
            if (!digits()) return wrong();
        }
        const char *const from = text_.data() + begin, *const to = text_.data() + at_;
        if (std::uint64_t u = 0; whole && !negative && std::from_chars(from, to, u).ec == std::errc())
            return handler_.number_unsigned(u);
        if (std::int64_t i = 0; whole && negative && std::from_chars(from, to, i).ec == std::errc())
            return handler_.number_integer(i);
        double x = 0;
        if (std::from_chars(from, to, x).ec != std::errc()) return wrong();
        return handler_.number_float(x, std::string(from, to));
    }
    /// One digit or more.
    bool digits() {
        const std::size_t begin = at_;
        while (peek() >= '0' && peek() <= '9') ++at_;
        return at_ > begin;
    }

    std::string_view text_;
    std::size_t at_ = 0;
    Handler& handler_;
    std::string string_;
};

/// Read JSON: see JsonParser.
template <class Handler>
bool parse_json(std::string_view text, Handler& handler) {
    return JsonParser<Handler>(text, handler).parse();
}

}  // namespace charrnn::detail
