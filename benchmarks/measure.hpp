#pragma once

#include <algorithm>
#include <cstddef>
#include <ctime>
#include <type_traits>
#include <vector>

#include "peak.hpp"

/// @file
/// How everything is timed.

namespace charrnn::bench {

/// How long to measure.
struct Effort {
    double seconds = 0.3;    ///< at least so long,
    std::size_t calls = 5;   ///< and so many calls
    std::size_t warmup = 1;  ///< calls before those
    double block = 0.02;     ///< seconds between two looks at the peak, if a call is shorter than that
    bool by_calls = false;   ///< stop after `calls`, however long that took
};

/// What came of it. Times are those of one call, in seconds; calls too short for the clock are timed in batches.
struct Measured {
    double median = 0, min = 0, max = 0;
    std::size_t calls = 0;
    double peak = 0;   ///< operations a second: median of those around the blocks
    double cores = 0;  ///< processor time over time: how many cores were really at work
    double share = 0;  ///< of the peak, by useful operations: median over the blocks
};

/// Time f(), which does `flops` useful operations on `threads` threads; if it returns a double, then that is how
/// many seconds it took.
///
/// A shared machine is faster at one moment than at the next. So the calls are measured in short blocks, the peak
/// anew before and after each, and a block's share of the peak is taken from the mean of these two.
template <class F>
Measured measure(const Effort& effort, double flops, std::size_t threads, F&& f) {
    constexpr double shortest = 100e-6;  // of a batch
    const auto time = [&f](std::size_t batch) {
        if constexpr (std::is_same_v<decltype(f()), double>) {
            double seconds = 0;
            for (std::size_t i = 0; i < batch; ++i) seconds += f();
            return seconds;
        } else {
            const auto begin = Clock::now();
            for (std::size_t i = 0; i < batch; ++i) f();
            return seconds_since(begin);
        }
    };
    for (std::size_t i = 0; i < effort.warmup; ++i) f();
    std::size_t batch = 1;
    if (!effort.by_calls)
        while (time(batch) < shortest) batch *= 2;

    Measured result;
    std::vector<double> all, peaks{peak_flops(threads)}, shares;
    double total = 0;
    double work = 0;
    while (result.calls < effort.calls || (!effort.by_calls && total < effort.seconds)) {
        std::vector<double> times;
        double spent = 0;
        do {
            const std::clock_t begin = std::clock();
            const double seconds = time(batch);
            work += static_cast<double>(std::clock() - begin) / CLOCKS_PER_SEC;
            spent += seconds;
            times.push_back(seconds / static_cast<double>(batch));
            result.calls += batch;
        } while (spent < effort.block && !(effort.by_calls && result.calls >= effort.calls));
        peaks.push_back(peak_flops(threads));
        const double peak = (peaks[peaks.size() - 2] + peaks.back()) / 2;
        shares.push_back(flops / median(times) / peak);
        all.insert(all.end(), times.begin(), times.end());
        total += spent;
    }
    result.median = median(all);
    result.min = *std::min_element(all.begin(), all.end());
    result.max = *std::max_element(all.begin(), all.end());
    result.peak = median(peaks);
    result.cores = work / total;
    result.share = median(shares);
    return result;
}

}  // namespace charrnn::bench
