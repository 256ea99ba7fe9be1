#pragma once

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <cstdlib>
#include <cstring>
#include <string>
#include <string_view>
#include <type_traits>

#if defined(__x86_64__) && defined(__linux__)
#include <sys/syscall.h>
#include <unistd.h>
#endif

#include <charrnn/core/error.hpp>

/// @file
/// Vectors of the processor, and the choice among its instruction sets while the program runs.
///
/// A kernel is a small struct with `template <class Isa> void operator()(Isa) const`, forced inline. `dispatch`
/// calls it inside a function that is compiled for the widest instruction set at hand, so a program that was
/// compiled without `-march` still runs AVX2 or AVX-512 code, and every translation unit holds the same code.
/// For that, everything a kernel calls must be forced inline too, and takes vectors by reference only.

#if defined(__FAST_MATH__) || defined(__ASSOCIATIVE_MATH__) || \
    (defined(__FINITE_MATH_ONLY__) && __FINITE_MATH_ONLY__)
#error \
    "charrnn: with -ffast-math or -Ofast a NaN would pass unnoticed, and exponentials be wrong. Compile without; the kernels need neither"
#endif

/// Before all that a kernel calls: it is compiled within the kernel, for the kernel's instructions.
#define CHARRNN_INLINE [[gnu::always_inline]] inline
#if defined(CHARRNN_UNROLL)
// Defined as nothing, the loops stay loops: compiled sooner, for a build that is not to be fast.
#elif defined(__clang__)
#define CHARRNN_UNROLL _Pragma("clang loop unroll(full)")
#else
/// Before a loop of fixed, small length over registers.
#define CHARRNN_UNROLL _Pragma("GCC unroll 16")
#endif

#if defined(__x86_64__) && !defined(__clang__)
/// g++ makes of a product and a sum one instruction or two, as it sees fit, and of a minimum of vectors two: here it is told.
#define CHARRNN_GNU_X86 1
namespace charrnn::simd::detail {
// g++ knows an instruction set's functions from the first declaration on that asks for it.
[[gnu::target("avx512f,fma")]] void knows_these_instructions();
}  // namespace charrnn::simd::detail
#else
#define CHARRNN_GNU_X86 0
#endif

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

/// A vector of Bytes / sizeof(T) scalars.
template <class T, int Bytes>
struct Pack {
    /// The type of an element.
    using scalar = T;
    /// The integer of the same size.
    using integer = std::conditional_t<sizeof(T) == 4, std::int32_t, std::int64_t>;
    static constexpr int bytes = Bytes;                     ///< width of the vector
    static constexpr std::size_t size = Bytes / sizeof(T);  ///< how many elements
    /// The compiler's vector.
    typedef T native __attribute__((vector_size(Bytes)));
    /// The compiler's vector of integers of the same size.
    typedef integer bits __attribute__((vector_size(Bytes)));

    native v;  ///< the elements

    /// A vector with x everywhere.
    CHARRNN_INLINE static Pack all(T x) { return {x - native{}}; }
    /// From memory, aligned or not.
    CHARRNN_INLINE static Pack load(const T* p) {
        Pack r;
        __builtin_memcpy(&r.v, p, Bytes);
        return r;
    }
    /// To memory, aligned or not.
    CHARRNN_INLINE void store(T* p) const { __builtin_memcpy(p, &v, Bytes); }

    CHARRNN_INLINE friend Pack operator+(const Pack& a, const Pack& b) { return {a.v + b.v}; }
    CHARRNN_INLINE friend Pack operator-(const Pack& a, const Pack& b) { return {a.v - b.v}; }
    CHARRNN_INLINE friend Pack operator*(const Pack& a, const Pack& b) { return {a.v * b.v}; }
    CHARRNN_INLINE friend Pack operator/(const Pack& a, const Pack& b) { return {a.v / b.v}; }
    CHARRNN_INLINE friend Pack operator-(const Pack& a) { return {-a.v}; }
    CHARRNN_INLINE friend Pack operator+(T a, const Pack& b) { return {a + b.v}; }
    CHARRNN_INLINE friend Pack operator-(T a, const Pack& b) { return {a - b.v}; }
    CHARRNN_INLINE friend Pack operator*(T a, const Pack& b) { return {a * b.v}; }
    CHARRNN_INLINE friend Pack operator/(T a, const Pack& b) { return {a / b.v}; }

    /// a * b + c in one rounding where the instruction set has it.
    CHARRNN_INLINE friend Pack fma(const Pack& a, const Pack& b, const Pack& c) {
#if CHARRNN_GNU_X86
#pragma GCC diagnostic push
#pragma GCC diagnostic ignored "-Wpsabi"
#pragma GCC diagnostic ignored "-Wconversion"
#pragma GCC diagnostic ignored "-Wsign-conversion"
        if constexpr (Bytes == 64 && sizeof(T) == 4)
            return {__builtin_ia32_vfmaddps512_mask(a.v, b.v, c.v, -1, 4)};  // 4: rounded as usual
        else if constexpr (Bytes == 64)
            return {__builtin_ia32_vfmaddpd512_mask(a.v, b.v, c.v, -1, 4)};
        else if constexpr (Bytes == 32 && sizeof(T) == 4)
            return {__builtin_ia32_vfmaddps256(a.v, b.v, c.v)};
        else if constexpr (Bytes == 32)
            return {__builtin_ia32_vfmaddpd256(a.v, b.v, c.v)};
#if defined(__FMA__)
        else if constexpr (Bytes == 16 && sizeof(T) == 4)
            return {__builtin_ia32_vfmaddps(a.v, b.v, c.v)};
        else if constexpr (Bytes == 16)
            return {__builtin_ia32_vfmaddpd(a.v, b.v, c.v)};
#endif
        else
#pragma GCC diagnostic pop
#endif
            return {a.v * b.v + c.v};
    }
    /// The smaller of a and b; a NaN in a stays.
    CHARRNN_INLINE friend Pack min(const Pack& a, const Pack& b) {
#if CHARRNN_GNU_X86
        if constexpr (sizeof(T) == 4 && Bytes > 16) {
            Pack r;
            __asm__("vminps\t{%1, %2, %0|%0, %2, %1}" : "=v"(r.v) : "v"(a.v), "v"(b.v));
            return r;
        }
#endif
        return {a.v > b.v ? b.v : a.v};
    }
    /// The larger of a and b; a NaN in a stays.
    CHARRNN_INLINE friend Pack max(const Pack& a, const Pack& b) {
#if CHARRNN_GNU_X86
        if constexpr (sizeof(T) == 4 && Bytes > 16) {
            Pack r;
            __asm__("vmaxps\t{%1, %2, %0|%0, %2, %1}" : "=v"(r.v) : "v"(a.v), "v"(b.v));
            return r;
        }
#endif
        return {a.v < b.v ? b.v : a.v};
    }
    /// x where the condition x > 0 holds, y elsewhere.
    CHARRNN_INLINE friend Pack where_positive(const Pack& x, const Pack& a, const Pack& b) {
        return {x.v > native{} ? a.v : b.v};
    }
    /// The sum of the elements, in a fixed order: of halves, then of their halves.
    CHARRNN_INLINE friend T sum(const Pack& a) {
        if constexpr (Bytes > 16) {
            return sum(a.half(0) + a.half(1));
        } else {
            T s = a.v[0];
            for (std::size_t i = 1; i < size; ++i) s += a.v[i];
            return s;
        }
    }
    /// The largest element, where none is a NaN.
    CHARRNN_INLINE friend T largest(const Pack& a) {
        if constexpr (Bytes > 16) {
            return largest(max(a.half(0), a.half(1)));
        } else {
            T s = a.v[0];
            for (std::size_t i = 1; i < size; ++i) s = a.v[i] > s ? a.v[i] : s;
            return s;
        }
    }
    /// The lower half (0) or the upper one (1).
    CHARRNN_INLINE Pack<T, Bytes / 2> half(int which) const {
        Pack<T, Bytes / 2> r;
        __builtin_memcpy(&r.v, reinterpret_cast<const char*>(&v) + which * (Bytes / 2), Bytes / 2);
        return r;
    }
};

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

/// Run a kernel with the instructions of `at`, which must be of this processor.
template <class Kernel>
inline void dispatch(Simd at, const Kernel& kernel) {
#if defined(__x86_64__)
    if (at >= Simd::avx512) return detail::run_avx512(kernel);
    if (at == Simd::avx2) return detail::run_avx2(kernel);
#endif
    (void)at;
    detail::run_baseline(kernel);
}

}  // namespace simd
}  // namespace charrnn
