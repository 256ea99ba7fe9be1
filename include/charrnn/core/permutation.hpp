#pragma once

#include <cstddef>
#include <cstdint>

#include <charrnn/core/random.hpp>

namespace charrnn {

/// A random order of 0 .. n - 1 that needs no memory: the i-th element is a function of n, seed, stream and i.
///
/// Source: a Feistel network over the next power of four (Luby and Rackoff 1988), applied again until the result is
///         below n.
class Permutation {
  public:
    Permutation(std::size_t n, std::uint64_t seed, std::uint64_t stream = 0) : n_(n) {
        Random random(seed, stream);
        for (auto& key : keys_) key = random();
        while ((std::uint64_t{1} << (2 * half_)) < n) ++half_;
    }

    /// The element at place i < size().
    std::size_t operator()(std::size_t i) const {
        std::uint64_t x = i;
        do x = once(x);
        while (x >= n_);
        return static_cast<std::size_t>(x);
    }
    /// How many numbers it permutes.
    [[nodiscard]] std::size_t size() const { return n_; }

  private:
    [[nodiscard]] std::uint64_t once(std::uint64_t x) const {
        const std::uint64_t mask = (std::uint64_t{1} << half_) - 1;
        std::uint64_t left = x >> half_, right = x & mask;
        for (const std::uint64_t key : keys_) {
            const std::uint64_t next = left ^ (Random(key, right)() & mask);
            left = right;
            right = next;
        }
        return left << half_ | right;
    }

    std::uint64_t n_;
    unsigned half_ = 1;
    std::uint64_t keys_[6]{};
};

}  // namespace charrnn
