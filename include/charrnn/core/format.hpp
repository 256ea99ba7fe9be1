#pragma once

#include <cstddef>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

#include <charrnn/core/once.hpp>

/// @file
/// Numbers as text, and back. The same everywhere: what a file holds must not depend on the locale of the program that wrote
/// it, as the numbers of printf, strtod and streams do.

namespace charrnn {

/// A number as people read it: 117760 -> "117,760".
inline std::string with_commas(std::size_t n) {
    std::string s = std::to_string(n);
    for (std::size_t at = s.size(); at > 3;) {
        at -= 3;
        s.insert(at, 1, ',');
    }
    return s;
}

namespace detail {

/// As few digits as give the same number again: 0.97.
std::string shortest(double x);
/// Seventeen digits, which give the same number again: 0.96999999999999997.
std::string exact(double x);
/// Some significant digits: printf's %.9g for 9.
std::string significant(double x, int digits);
/// Some digits behind the point: printf's %.4f for 4.
std::string decimal(double x, int digits);

/// The number that a text is, if all of it is one.
std::optional<double> parsed_number(std::string_view text);
/// The count that a text is, if all of it is one.
std::optional<std::uint64_t> parsed_count(std::string_view text);

}  // namespace detail

}  // namespace charrnn

#ifdef CHARRNN_ONCE
#include <charconv>
#include <system_error>

namespace charrnn::detail {

CHARRNN_ONCE std::string shortest(double x) {
    char text[32];
    return {text, std::to_chars(text, text + sizeof text, x).ptr};
}
CHARRNN_ONCE std::string significant(double x, int digits) {
    char text[64];
    return {text, std::to_chars(text, text + sizeof text, x, std::chars_format::general, digits).ptr};
}
CHARRNN_ONCE std::string exact(double x) { return significant(x, 17); }
CHARRNN_ONCE std::string decimal(double x, int digits) {
    char text[400];  // the largest double has 309 digits before the point
    return {text, std::to_chars(text, text + sizeof text, x, std::chars_format::fixed, digits).ptr};
}

template <class N>
std::optional<N> parsed(std::string_view text) {
    N n{};
    const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), n);
    if (error != std::errc() || end != text.data() + text.size()) return std::nullopt;
    return n;
}
CHARRNN_ONCE std::optional<double> parsed_number(std::string_view text) { return parsed<double>(text); }
CHARRNN_ONCE std::optional<std::uint64_t> parsed_count(std::string_view text) {
    return parsed<std::uint64_t>(text);
}

}  // namespace charrnn::detail
#endif
