#pragma once

#include <cmath>
#include <cstdint>

/// @file
/// Random numbers from a counter.

namespace charrnn {

/// A generator whose n-th number is a function of (seed, stream, n) alone, so that it can be copied, stored in
/// eight bytes and continued anywhere.
///
/// Source: SplitMix64 (Steele, Lea and Flood 2014): the finaliser applied to a counter in steps of the golden
/// ratio; the starting point mixes seed and stream.
class Random {
  public:
    /// What it gives, as the standard library asks for it.
    using result_type = std::uint64_t;

    explicit Random(std::uint64_t seed = 0, std::uint64_t stream = 0)
        : state_(mix(seed + golden) ^ mix(stream * 0xD1342543DE82EF95ULL + 1)) {}

    /// The smallest number.
    static constexpr result_type min() { return 0; }
    /// The largest number.
    static constexpr result_type max() { return ~result_type{0}; }

    /// 64 random bits.
    result_type operator()() {
        state_ += golden;
        return mix(state_);
    }

    /// Uniform on [0, 1), 53 bits.
    double uniform() { return static_cast<double>((*this)() >> 11U) * 0x1.0p-53; }
    /// Uniform on [low, high).
    double uniform(double low, double high) { return low + (high - low) * uniform(); }
    /// Normal with mean 0 and deviation 1 (Box and Muller; one of the pair).
    double normal() {
        const double u = 1.0 - uniform();
        const double v = uniform();
        return std::sqrt(-2.0 * std::log(u)) * std::cos(6.283185307179586477 * v);
    }
    /// Uniform on 0, ..., n - 1 (n > 0), without bias.
    std::uint64_t below(std::uint64_t n) {
        const std::uint64_t limit = max() - max() % n;
        std::uint64_t x = (*this)();
        while (x >= limit) x = (*this)();
        return x % n;
    }

    /// The whole state, to store and to restore.
    [[nodiscard]] std::uint64_t state() const { return state_; }
    /// Go on from what state() gave.
    void set_state(std::uint64_t state) { state_ = state; }

    friend bool operator==(const Random&, const Random&) = default;

  private:
    static constexpr std::uint64_t golden = 0x9E3779B97F4A7C15ULL;

    static std::uint64_t mix(std::uint64_t z) {
        z = (z ^ (z >> 30U)) * 0xBF58476D1CE4E5B9ULL;
        z = (z ^ (z >> 27U)) * 0x94D049BB133111EBULL;
        return z ^ (z >> 31U);
    }

    std::uint64_t state_;
};

/// The generator that layers draw their first weights from when none is given: one a thread, seed 0.
/// `default_random() = Random(42)` before the layers are made gives other weights.
inline Random& default_random() {
    thread_local Random generator(0);
    return generator;
}

}  // namespace charrnn
