#pragma once

#include <cstddef>

/// @file
/// What a library of one version of the headers offers to the program that compares it with others, by C's rules for names
/// and calls.

namespace charrnn::bench {

/// setup: make the model, with two layers; the names of what is timed, up to a null.
using Setup = const char* const* (*)(const char* cell, std::size_t hidden, std::size_t lanes,
                                     std::size_t steps);
/// run: everything once; the seconds of each part.
using Run = void (*)(double* seconds);

}  // namespace charrnn::bench
