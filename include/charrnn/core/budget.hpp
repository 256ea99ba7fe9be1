#pragma once

#include <cstdint>
#include <optional>

/// @file
/// Lengths of training.

namespace charrnn {

/// So much training: see steps() and epochs().
struct Budget {
    std::optional<std::uint64_t> steps;  ///< training steps
    std::optional<double> epochs;        ///< passes over the data
    std::optional<double> seconds;       ///< of the clock on the wall
};

/// That many steps.
inline Budget steps(std::uint64_t n) { return {.steps = n, .epochs = {}, .seconds = {}}; }
/// That many times the number of windows in an epoch.
inline Budget epochs(double n) { return {.steps = {}, .epochs = n, .seconds = {}}; }

}  // namespace charrnn
