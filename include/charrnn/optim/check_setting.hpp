#pragma once

#include <limits>
#include <string>

#include <charrnn/core/once.hpp>

namespace charrnn::detail {

inline constexpr double no_limit = std::numeric_limits<double>::infinity();

/// That an optimiser's setting is at least 0, or more where `zero` is false, and below a limit.
/// Errors: value_error, naming it
void check_setting(const std::string& name, double value, double limit = no_limit, bool zero = true);

}  // namespace charrnn::detail

#ifdef CHARRNN_ONCE
#include <charrnn/core/error.hpp>
#include <charrnn/core/format.hpp>

namespace charrnn::detail {

CHARRNN_ONCE void check_setting(const std::string& name, double value, double limit, bool zero) {
    if (!(value >= 0) || !(value < limit) || (value == 0 && !zero))
        throw value_error(name + " is " + shortest(value) + ": expected " +
                          (zero ? "0 or more" : "more than 0") +
                          (limit == no_limit ? "" : ", and less than " + shortest(limit)));
}

}  // namespace charrnn::detail
#endif
