#include "side.hpp"

#include <algorithm>
#include <array>
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

/// What is timed: the phases of a window, all of them, a character of one stream; and, at the peak of multiply-adds on
/// registers, how long the window's useful operations would take.
constexpr std::size_t phases = WindowPhases::names.size();
constexpr auto names = [] {
    std::array<const char*, phases + 4> all{};
    std::copy(WindowPhases::names.begin(), WindowPhases::names.end(), all.begin());
    all[phases] = "window", all[phases + 1] = "a stream", all[phases + 2] = "at the peak";
    return all;  // ends with a null
}();

std::unique_ptr<WindowPhases> window;
std::unique_ptr<Writing> writing;
double operations;  // useful ones, in a window

}  // namespace

extern "C" {

__attribute__((visibility("default"))) const char* const* setup(const char* cell, std::size_t hidden,
                                                                std::size_t lanes, std::size_t steps) {
    const Setting setting{.cell = cell, .hidden = hidden, .lanes = lanes, .window = steps};
    window = std::make_unique<WindowPhases>(setting);
    operations = training_operations(cell, setting.vocabulary, hidden, setting.layers) *
                 static_cast<double>(lanes * steps);
    writing = std::make_unique<Writing>(setting, 1);
    return names.data();
}

__attribute__((visibility("default"))) void run(double* seconds) {
    const auto took = (*window)();
    std::copy(took.begin(), took.end(), seconds);
    seconds[phases] = std::accumulate(took.begin(), took.end(), 0.0);
    (*writing)();  // its weights come back into the caches
    const auto begin = Clock::now();
    (*writing)();
    seconds[phases + 1] = seconds_since(begin) / static_cast<double>(Writing::characters);
    seconds[phases + 2] = operations / peak_flops();
}
}
