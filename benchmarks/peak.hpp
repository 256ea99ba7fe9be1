#pragma once

#if defined(__linux__)
#include <sched.h>
#endif

#include <algorithm>
#include <atomic>
#include <chrono>
#include <cstddef>
#include <thread>
#include <vector>

#include <charrnn/core/buffer.hpp>
#include <charrnn/core/simd.hpp>

/// @file
/// What the processor can do at most: multiply-adds on registers alone.

namespace charrnn::bench {

using Clock = std::chrono::steady_clock;

inline double seconds_since(Clock::time_point begin) {
    return std::chrono::duration<double>(Clock::now() - begin).count();
}

/// The middle value, or the mean of the two in the middle. Not for empty lists.
inline double median(std::vector<double> values) {
    std::sort(values.begin(), values.end());
    const std::size_t middle = values.size() / 2;
    return values.size() % 2 == 1 ? values[middle] : (values[middle - 1] + values[middle]) / 2;
}

namespace detail {

/// x = x * factor + offset, over and over, in as many independent vectors as hide the latency of a multiply-add
/// on two units (at most five cycles), and as fit into the registers.
struct MultiplyAdds {
    static constexpr std::size_t rounds = 1U << 17U;  // some 0.3 ms: shorter than a time slice

    float factor, offset;
    float* result;  // 64 of them
    double* operations;

    template <class Isa>
    CHARRNN_INLINE void operator()(Isa) const {
        using V = typename Isa::template pack<float>;
        constexpr std::size_t n = Isa::registers >= 32 ? 16 : 12;
        const V a = V::all(factor);
        const V b = V::all(offset);
        V x[n];
        CHARRNN_UNROLL
        for (std::size_t i = 0; i < n; ++i) x[i] = V::all(static_cast<float>(i));
        for (std::size_t r = 0; r < rounds; ++r) {
            CHARRNN_UNROLL
            for (std::size_t i = 0; i < n; ++i) x[i] = fma(x[i], a, b);
        }
        V all = x[0];
        CHARRNN_UNROLL
        for (std::size_t i = 1; i < n; ++i) all = all + x[i];
        all.store(result);
        *operations = 2.0 * static_cast<double>(rounds * n * V::size);
    }
};

/// One burst on the calling thread: how many operations, from when to when.
struct Burst {
    double operations = 0;
    Clock::time_point begin, end;
};

inline Burst burst() {
    // Read at run time, so that nothing can be computed beforehand; x stays near 1.
    static const volatile float factor = 0.5F;
    static const volatile float offset = 0.5F;
    float result[64];
    Burst b;
    b.begin = Clock::now();
    simd::dispatch(simd::detect(), MultiplyAdds{factor, offset, result, &b.operations});
    b.end = Clock::now();
    asm volatile("" : : "r"(result) : "memory");  // somebody may read it
    return b;
}

/// Keep the calling thread on the processor with this number among those that the program may use.
inline void stay_on(std::size_t number) {
#if defined(__linux__)
    cpu_set_t allowed, one;
    if (sched_getaffinity(0, sizeof allowed, &allowed) != 0) return;
    CPU_ZERO(&one);
    for (std::size_t cpu = 0; cpu < CPU_SETSIZE; ++cpu)
        if (CPU_ISSET(cpu, &allowed) && number-- == 0) {
            CPU_SET(cpu, &one);
            sched_setaffinity(0, sizeof one, &one);
            return;
        }
#else
    (void)number;
#endif
}

}  // namespace detail

/// Operations a second (a multiply-add is two) that `threads` processors reach together, with the widest
/// instruction set that they have: the median of some short bursts, in which all run at once.
///
/// Several threads are kept each on a processor of its own, wait for each other without sleeping, and count from
/// the first one's beginning to the last one's end: two threads that share a processor make no peak of two.
inline double peak_flops(std::size_t threads = 1, std::size_t bursts = 7) {
    std::vector<detail::Burst> all(threads * bursts);
    if (threads == 1) {
        for (auto& one : all) one = detail::burst();
    } else {
        std::atomic<std::size_t> arrived{0};
        std::vector<std::jthread> team;
        for (std::size_t thread = 0; thread < threads; ++thread)
            team.emplace_back([&, thread] {
                detail::stay_on(thread);
                for (std::size_t i = 0; i < bursts; ++i) {
                    arrived.fetch_add(1);
                    while (arrived.load() < (i + 1) * threads) {
                    }
                    all[i * threads + thread] = detail::burst();
                }
            });
    }
    std::vector<double> rates;
    for (auto first = all.cbegin(); first != all.cend(); first += static_cast<std::ptrdiff_t>(threads)) {
        detail::Burst together = *first;
        for (auto other = first + 1; other != first + static_cast<std::ptrdiff_t>(threads); ++other) {
            together.operations += other->operations;
            together.begin = std::min(together.begin, other->begin);
            together.end = std::max(together.end, other->end);
        }
        rates.push_back(together.operations /
                        std::chrono::duration<double>(together.end - together.begin).count());
    }
    return median(rates);
}

namespace detail {

/// Reads a buffer once, by vectors.
struct Reading {
    const float* from;
    std::size_t count;  // a multiple of 128
    float* result;      // 16 of them

    template <class Isa>
    CHARRNN_INLINE void operator()(Isa) const {
        using V = typename Isa::template pack<float>;
        constexpr std::size_t n = 8;
        V x[n];
        CHARRNN_UNROLL
        for (std::size_t i = 0; i < n; ++i) x[i] = V::all(0);
        for (std::size_t at = 0; at < count; at += n * V::size) {
            CHARRNN_UNROLL
            for (std::size_t i = 0; i < n; ++i) x[i] = max(x[i], V::load(from + at + i * V::size));
        }
        CHARRNN_UNROLL
        for (std::size_t i = 1; i < n; ++i) x[0] = max(x[0], x[i]);
        x[0].store(result);
    }
};

}  // namespace detail

/// Bytes a second at which one thread reads a buffer of this size over and over: what a program whose weights have
/// that size, and are all read for each character, is bound by; on several threads each reads its part of them. The best of
/// some stretches.
inline double read_bytes_per_second(std::size_t bytes) {
    const std::size_t count = (bytes / sizeof(float) + 127) / 128 * 128;
    Buffer<float> buffer(count);
    std::fill(buffer.begin(), buffer.end(), 1.0F);
    float result[16];
    double best = 0;
    const std::size_t rounds = std::max<std::size_t>(1, (std::size_t{64} << 20U) / (count * sizeof(float)));
    for (int turn = 0; turn < 15; ++turn) {
        const auto begin = Clock::now();
        for (std::size_t i = 0; i < rounds; ++i) {
            simd::dispatch(simd::detect(), detail::Reading{buffer.data(), count, result});
            asm volatile("" : : "r"(result) : "memory");
        }
        best = std::max(best, static_cast<double>(rounds * count * sizeof(float)) / seconds_since(begin));
    }
    return best;
}

}  // namespace charrnn::bench
