#pragma once

#include <algorithm>
#include <cstddef>
#include <cstdlib>
#include <string>
#include <string_view>

#if defined(__x86_64__) && defined(__linux__)
#include <sys/syscall.h>
#include <unistd.h>
#endif

#include <charrnn/core/error.hpp>
#include <charrnn/core/pack.hpp>

/// @file
/// The choice among the processor's instruction sets while the program runs.
///
/// A kernel is a small struct with `template <class Isa> void operator()(Isa) const`, forced inline. `dispatch`
/// calls it inside a function that is compiled for the widest instruction set at hand, so a program that was
/// compiled without `-march` still runs AVX2 or AVX-512 code, and every translation unit holds the same code.
/// For that, everything a kernel calls must be forced inline too, and takes vectors by reference only, or is a kernel itself
/// that `call` runs.

namespace charrnn {

/// The instruction sets that kernels are compiled for; the last is AVX-512 with a matrix unit for products of floats (see
/// amx.hpp).
enum class Simd { baseline, avx2, avx512, amx };

/// The name of an instruction set as people write it.
inline std::string_view name(Simd simd) {
    switch (simd) {
        case Simd::amx:
            return "AVX-512 and AMX";
        case Simd::avx512:
            return "AVX-512";
        case Simd::avx2:
            return "AVX2";
        case Simd::baseline:
            break;
    }
#if defined(__x86_64__)
    return "SSE2";
#else
    return "128-bit";
#endif
}

namespace simd {

/// What a kernel knows of the instruction set it is compiled for.
template <Simd Level, int Bytes, int Registers>
struct Isa {
    static constexpr Simd level = Level;         ///< which it is
    static constexpr int bytes = Bytes;          ///< width of a vector register
    static constexpr int registers = Registers;  ///< how many there are
    /// A vector of the full width.
    template <class T>
    using pack = Pack<T, Bytes>;
};

/// What every processor of the architecture has: SSE2 on x86.
using Baseline = Isa<Simd::baseline, 16, 16>;
/// AVX2 with fused multiply-add.
using Avx2 = Isa<Simd::avx2, 32, 16>;
/// AVX-512: F, DQ, VL and BW.
using Avx512 = Isa<Simd::avx512, 64, 32>;

/// Vector width in bytes.
constexpr std::size_t width(Simd level) { return level >= Simd::avx512 ? 64 : level == Simd::avx2 ? 32 : 16; }

namespace detail {

/// Whether the processor, which has AVX-512, has a matrix unit, and the system lets this process use it. Source: Linux,
/// Documentation/arch/x86/xstate.rst
inline bool detect_amx() {
#if defined(__x86_64__) && defined(__linux__)
    // A processor with AVX-512 has leaf 7. <cpuid.h> of clang 14 does not compile with -masm=intel.
    unsigned a = 7, b = 0, c = 0, d = 0;
    __asm__("cpuid" : "+a"(a), "=b"(b), "+c"(c), "=d"(d));
    constexpr unsigned bf16 = 1U << 22U, tiles = 1U << 24U;
    if ((d & (bf16 | tiles)) != (bf16 | tiles)) return false;
    constexpr long request_permission = 0x1023, tile_data = 18;
    return ::syscall(SYS_arch_prctl, request_permission, tile_data) == 0;
#else
    return false;
#endif
}

}  // namespace detail

/// The widest instruction set that this processor has, up to `limit`.
inline Simd detect(Simd limit = Simd::amx) {
    Simd widest = Simd::baseline;
#if defined(__x86_64__)
    if (__builtin_cpu_supports("avx512f") && __builtin_cpu_supports("avx512dq") &&
        __builtin_cpu_supports("avx512vl") && __builtin_cpu_supports("avx512bw"))
        widest = limit == Simd::amx && detail::detect_amx() ? Simd::amx : Simd::avx512;
    else if (__builtin_cpu_supports("avx2") && __builtin_cpu_supports("fma"))
        widest = Simd::avx2;
#endif
    return std::min(widest, limit);
}

/// What CHARRNN_SIMD asks for.
/// Errors: value_error for a word that is no instruction set's
inline Simd asked_for(std::string_view s) {
    if (s == "sse2" || s == "baseline") return Simd::baseline;
    if (s == "avx2") return Simd::avx2;
    if (s == "avx512") return Simd::avx512;
    if (s == "amx") return Simd::amx;
    throw value_error("CHARRNN_SIMD is '" + std::string(s) + "', expected sse2, avx2, avx512 or amx");
}

/// The instruction set in use: the widest one, or, where the environment has CHARRNN_SIMD=sse2|avx2|avx512|amx, the widest
/// up to that one. Settable, so that tests can compare; set it before any model is at work.
/// Errors: value_error if CHARRNN_SIMD is anything else
inline Simd& level() {
    static Simd chosen = [] {
        const char* wish = std::getenv("CHARRNN_SIMD");
        return wish == nullptr ? detect() : detect(asked_for(wish));
    }();
    return chosen;
}

namespace detail {

#if defined(__x86_64__)
template <class Kernel>
[[gnu::noinline, gnu::target("avx512f,avx512dq,avx512vl,avx512bw,avx2,fma")]] void run_avx512(
    const Kernel& k) {
    k(Avx512{});
}
template <class Kernel>
[[gnu::noinline, gnu::target("avx2,fma")]] void run_avx2(const Kernel& k) {
    k(Avx2{});
}
#endif
template <class Kernel>
[[gnu::noinline]] void run_baseline(const Kernel& k) {
    k(Baseline{});
}

}  // namespace detail

/// Run a kernel with these instructions, as a function of its own: from another kernel, too.
template <class Isa, class Kernel>
CHARRNN_INLINE void call(const Kernel& kernel) {
#if defined(__x86_64__)
    if constexpr (Isa::level == Simd::avx512)
        detail::run_avx512(kernel);
    else if constexpr (Isa::level == Simd::avx2)
        detail::run_avx2(kernel);
    else
#endif
        detail::run_baseline(kernel);
}

/// Run a kernel with the instructions of `at`, which must be of this processor.
template <class Kernel>
inline void dispatch(Simd at, const Kernel& kernel) {
    if (at >= Simd::avx512) return call<Avx512>(kernel);
    if (at == Simd::avx2) return call<Avx2>(kernel);
    call<Baseline>(kernel);
}

}  // namespace simd
}  // namespace charrnn
