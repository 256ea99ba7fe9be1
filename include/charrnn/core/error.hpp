#pragma once

#if __cplusplus < 202002L
#error "charrnn: expected C++20 or newer: compile with -std=c++20"
#endif
#if !defined(__cpp_exceptions)
#error "charrnn: says what is wrong by exceptions: compile without -fno-exceptions"
#endif

#include <stdexcept>
#include <string>

/// @file
/// The errors of the library. Each is a sentence that names the thing, the place and what was expected.

namespace charrnn {

/// The base of every exception that charrnn throws.
struct error : std::runtime_error {
    using std::runtime_error::runtime_error;
};

/// An array, a window or a layer does not have the size that another one expects.
struct shape_error : error {
    using error::error;
};

/// A parameter of a call or a configuration is outside its range (zero lanes, a NaN learning rate, ...).
struct value_error : error {
    using error::error;
};

/// A text, an alphabet or a prompt holds what it must not hold, or lacks what it needs.
struct data_error : error {
    using error::error;
};

/// A file cannot be read or written.
struct io_error : error {
    using error::error;
};

/// A loss, a gradient or a parameter is not finite.
struct numeric_error : error {
    using error::error;
};

}  // namespace charrnn
