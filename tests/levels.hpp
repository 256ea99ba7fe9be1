#pragma once

#include <vector>

#include <charrnn/core/simd.hpp>

/// @file
/// The tests run at each instruction set that this processor has.

namespace charrnn::test {

inline std::vector<Simd> levels() {
    std::vector<Simd> list;
    for (const Simd level : {Simd::baseline, Simd::avx2, Simd::avx512, Simd::amx})
        if (level <= simd::detect()) list.push_back(level);
    return list;
}

/// As long as it lives, models are made for this instruction set.
class UseLevel {
  public:
    explicit UseLevel(Simd level) : before_(simd::level()) { simd::level() = level; }
    ~UseLevel() { simd::level() = before_; }
    UseLevel(const UseLevel&) = delete;
    UseLevel& operator=(const UseLevel&) = delete;

  private:
    Simd before_;
};

}  // namespace charrnn::test
