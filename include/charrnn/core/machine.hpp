#pragma once

#include <cstddef>
#include <string>
#include <thread>

#include <sched.h>

#include <charrnn/core/simd.hpp>

/// @file
/// What the program runs on: processors, vector instructions, BLAS.

namespace charrnn {

namespace detail {

// <cblas.h> declares these too, but cannot share a translation unit with xtensor-blas.
extern "C" {
void openblas_set_num_threads(int);
int openblas_get_num_threads();
char* openblas_get_config();
char* openblas_get_corename();
}

}  // namespace detail

/// How many processors this program may use: where it was given only some of the machine's (taskset, a container's
/// cpuset), those.
inline std::size_t hardware_threads() {
    cpu_set_t mine;
    if (::sched_getaffinity(0, sizeof mine, &mine) == 0) return static_cast<std::size_t>(CPU_COUNT(&mine));
    const unsigned n = std::thread::hardware_concurrency();
    return n == 0 ? 1 : n;
}

/// So many threads as are asked for; for 0 as many as there are processors.
inline std::size_t threads_for(std::size_t asked) { return asked == 0 ? hardware_threads() : asked; }

/// As long as it lives, OpenBLAS runs on so many threads; then on as many as before. The number is the process's,
/// not the thread's: make one where no other thread calls BLAS.
class BlasThreads {
  public:
    explicit BlasThreads(int threads = 1) : before_(detail::openblas_get_num_threads()) {
        if (before_ != threads) detail::openblas_set_num_threads(threads);
        set_ = before_ != threads;
    }
    ~BlasThreads() {
        if (set_) detail::openblas_set_num_threads(before_);
    }
    BlasThreads(const BlasThreads&) = delete;
    BlasThreads& operator=(const BlasThreads&) = delete;

  private:
    int before_;
    bool set_ = false;
};

/// The BLAS in use and the processor that it takes this one for: "OpenBLAS 0.3.21 (Haswell)".
inline std::string blas_name() {
    const std::string config =
        detail::openblas_get_config();  // "OpenBLAS 0.3.21 NO_LAPACKE DYNAMIC_ARCH ..."
    const std::size_t version = config.find(' ');
    return config.substr(0, version == std::string::npos ? version : config.find(' ', version + 1)) + " (" +
           detail::openblas_get_corename() + ")";
}

/// What computes here: "kernels in AVX-512 (16 floats a vector), OpenBLAS 0.3.21 (SkylakeX) for users' cells".
inline std::string machine() {
    return "kernels in " + std::string(name(simd::level())) + " (" +
           std::to_string(simd::width(simd::level()) / sizeof(float)) + " floats a vector), " + blas_name() +
           " for users' cells";
}

}  // namespace charrnn
