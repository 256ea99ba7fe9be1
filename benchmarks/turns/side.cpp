#include "side.hpp"

#include <algorithm>
#include <cstddef>
#include <memory>
#include <numeric>

#include "../operations.hpp"
#include "../peak.hpp"
#include "../window_phases.hpp"
#include "../writing.hpp"

/// Compiled once with each version of the headers, into a library that shows two functions only.

namespace {

using namespace charrnn::bench;

constexpr std::size_t vocabulary = 101;
std::unique_ptr<WindowPhases> window;
std::unique_ptr<Writing> writing;
double operations;  // useful ones, in a window

}  // namespace

extern "C" {

__attribute__((visibility("default"))) void setup(const char* cell, std::size_t hidden, std::size_t lanes,
                                                  std::size_t steps) {
    window = std::make_unique<WindowPhases>(cell, vocabulary, hidden, charrnn::Extent{lanes, steps});
    operations = training_operations(cell, vocabulary, hidden, 2) * static_cast<double>(lanes * steps);
    writing = std::make_unique<Writing>(Setting{.cell = cell, .hidden = hidden, .vocabulary = vocabulary}, 1);
}

__attribute__((visibility("default"))) void run(double* seconds) {
    const auto phases = (*window)();
    std::copy(phases.begin(), phases.end(), seconds);
    seconds[phases.size()] = std::accumulate(phases.begin(), phases.end(), 0.0);
    (*writing)();  // its weights come back into the caches
    const auto begin = Clock::now();
    (*writing)();
    seconds[phases.size() + 1] = seconds_since(begin) / static_cast<double>(Writing::characters);
    seconds[phases.size() + 2] = operations / peak_flops();
}
}
