#pragma once

#include <cstddef>
#include <cstdint>
#include <type_traits>

/// @file
/// A vector of the processor.

#if defined(__FAST_MATH__) || defined(__ASSOCIATIVE_MATH__) || \
    (defined(__FINITE_MATH_ONLY__) && __FINITE_MATH_ONLY__)
#error \
    "charrnn: with -ffast-math or -Ofast a NaN would pass unnoticed, and exponentials be wrong. Compile without; the kernels need neither"
#endif

/// Before all that a kernel calls: it is compiled within the kernel, for the kernel's instructions.
#define CHARRNN_INLINE [[gnu::always_inline]] inline
#if defined(CHARRNN_UNROLL)
// Defined as nothing, the loops stay loops: compiled sooner, for a build that is not to be fast.
/// Before a loop of any length: four of its rounds become one.
#define CHARRNN_UNROLL_BY_4
#elif defined(__clang__)
#define CHARRNN_UNROLL _Pragma("clang loop unroll(full)")
#define CHARRNN_UNROLL_BY_4 _Pragma("clang loop unroll_count(4)")
#else
/// Before a loop of fixed, small length over registers.
#define CHARRNN_UNROLL _Pragma("GCC unroll 16")
#define CHARRNN_UNROLL_BY_4 _Pragma("GCC unroll 4")
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

namespace charrnn::simd {

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
    /// A vector with *p everywhere.
    CHARRNN_INLINE static Pack repeat(const T* p) {
#if CHARRNN_GNU_X86
        // An array of such vectors g++ 12 makes an element at a time.
        Pack r;
        if constexpr (Bytes > 16 && sizeof(T) == 4) {
            __asm__("vbroadcastss\t{%1, %0|%0, %1}" : "=v"(r.v) : "m"(*p));
            return r;
        } else if constexpr (Bytes > 16) {
            __asm__("vbroadcastsd\t{%1, %0|%0, %1}" : "=v"(r.v) : "m"(*p));
            return r;
        }
#endif
        return all(*p);
    }
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

}  // namespace charrnn::simd
