#pragma once

#include <cstddef>

/// @file
/// What a library of one version of the headers offers to the program that compares it with others, by C's rules for names and calls.

namespace charrnn::bench {

/// What is timed, in this order: the phases of a window, all of them, a character of one stream; and, at the peak of
/// multiply-adds on registers, how long the window's useful operations would take.
inline constexpr const char* parts[] = {"prepare", "forward", "loss",     "backward",   "gradient",
                                        "collect", "window",  "a stream", "at the peak"};
inline constexpr std::size_t part_count = sizeof parts / sizeof *parts;

/// Make the model, with two layers.
using Setup = void (*)(const char* cell, std::size_t hidden, std::size_t lanes, std::size_t steps);
/// Run everything once; the seconds of each part.
using Run = void (*)(double* seconds);

}  // namespace charrnn::bench
