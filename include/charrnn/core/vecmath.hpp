#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <limits>

#include <charrnn/core/simd.hpp>

/// @file
/// exp, sigmoid and tanh on vectors, in double and in float (there exp within 2 units in the last place, the others within
/// 3).
/// Source: argument reduction x = n ln 2 + r, |r| <= ln 2 / 2, with ln 2 in two parts (Cody and Waite), and a
/// polynomial for (e^r - 1 - r) / r^2 through the Chebyshev nodes of that interval.
///
/// These are chains of operations that wait for each other, and a processor looks ahead only so far: short chains count
/// as much as few operations. So the quotients are divisions, which run beside the products of other chains.

namespace charrnn::simd {

namespace detail {

template <class T>
struct ExpConstants;

template <>
struct ExpConstants<float> {
    // Adding 1.5 * 2^23 rounds to an integer, and the lowest bits are that integer's: with 127 more, the exponent of its power
    // of two.
    static constexpr float round = 12582912.0F + 127;
    static constexpr float ln2_high = 0.693359375F, ln2_low = -2.12194440e-4F;
    static constexpr float lowest = -87.0F, highest = 88.0F;
    static constexpr int mantissa = 23;
    static constexpr std::array<float, 5> q{0.5F, 0.16666577025597989F, 0.041666554662050534F,
                                            0.008363173074513711F, 0.0013926176119935579F};
};

template <>
struct ExpConstants<double> {
    static constexpr double round = 6755399441055744.0 + 1023;  // 1.5 * 2^52, and the exponent of 1
    static constexpr double ln2_high = 6.93147180369123816490e-01, ln2_low = 1.90821492927058770002e-10;
    static constexpr double lowest = -708.0, highest = 709.0;
    static constexpr int mantissa = 52;
    static constexpr std::array<double, 11> q{
        0.5,
        0.16666666666666718,
        0.04166666666666956,
        0.008333333333291244,
        0.0013888888888032194,
        0.00019841269970311738,
        2.480158898966325e-05,
        2.755715174908691e-06,
        2.755530310479365e-07,
        2.5142983750656195e-08,
        2.176355715827336e-09,
    };
};

/// q_I + q_(I+1) r + q_(I+2) r^2 + ..., two terms at a time, by Horner's rule in r^2. As a recursion and not a loop: g++ 12
/// fills a vector with a constant one element at a time where it comes to know the constant only after it has unrolled a
/// loop.
template <std::size_t I, class V>
CHARRNN_INLINE V polynomial(const V& r, const V& r2) {
    using C = ExpConstants<typename V::scalar>;
    if constexpr (I + 1 == C::q.size())
        return V::all(C::q[I]);
    else
        return fma(polynomial<I + 2>(r, r2), r2, fma(V::all(C::q[I + 1]), r, V::all(C::q[I])));
}

/// e^x = scale * (1 + p) with p = e^r - 1; x must be from lowest to highest, where scale is a normal number.
template <class V>
CHARRNN_INLINE void exp_parts(const V& x, V& p, V& scale) {
    using T = typename V::scalar;
    using C = ExpConstants<T>;
    const V shifted = fma(x, V::all(T(1.4426950408889634074)), V::all(C::round));
    const V n = shifted - V::all(C::round);
    const V r = fma(n, V::all(-C::ln2_low), fma(n, V::all(-C::ln2_high), x));
    const V r2 = r * r;
    p = fma(polynomial<0>(r, r2), r2, r);
    typename V::bits bits;
    __builtin_memcpy(&bits, &shifted.v, sizeof bits);
    bits = bits << C::mantissa;
    __builtin_memcpy(&scale.v, &bits, sizeof bits);
}

}  // namespace detail

/// e^x; below -87 (double: -708) and above 88 (709) the value at that edge. A NaN stays a NaN.
template <class V>
CHARRNN_INLINE V exp(const V& x) {
    using C = detail::ExpConstants<typename V::scalar>;
    V p, scale;
    detail::exp_parts(min(max(x, V::all(C::lowest)), V::all(C::highest)), p, scale);
    return fma(scale, p, scale);
}

/// 1 / (1 + e^-x). Below -88 (in double: -709) as there: 6e-39 (1e-308) instead of less.
template <class V>
CHARRNN_INLINE V sigmoid(const V& x) {
    using T = typename V::scalar;
    using C = detail::ExpConstants<T>;
    V p, scale;
    detail::exp_parts(-min(max(x, V::all(-C::highest)), V::all(-C::lowest)), p, scale);
    return T(1) / fma(scale, p, scale + V::all(T(1)));
}

/// tanh x = m / (m + 2) with m = e^2x - 1, which keeps the relative precision near zero.
template <class V>
CHARRNN_INLINE V tanh(const V& x) {
    using T = typename V::scalar;
    V p, scale;
    detail::exp_parts(min(max(x + x, V::all(T(-40))), V::all(T(40))), p, scale);
    const V m = fma(scale, p, scale - V::all(T(1)));
    return m / (m + V::all(T(2)));
}

/// The square root of x >= 0, infinity included, to the last place or the one before; x below the smallest normal number
/// gives about zero. Source: Newton's iteration for 1 / sqrt x from the well-known integer guess, and one correction.
template <class V>
CHARRNN_INLINE V sqrt(const V& x) {
    using T = typename V::scalar;
    constexpr bool single = sizeof(T) == 4;
    constexpr auto guess = static_cast<typename V::integer>(single ? 0x5F375A86LL : 0x5FE6EB50C7B537A9LL);
    typename V::bits bits;
    __builtin_memcpy(&bits, &x.v, sizeof bits);
    bits = guess - (bits >> 1);
    V y;
    __builtin_memcpy(&y.v, &bits, sizeof bits);
    const V half = T(0.5) * x;
    CHARRNN_UNROLL
    for (int i = 0; i < (single ? 3 : 4); ++i) y = y * (T(1.5) - half * y * y);
    const V s = x * y, finite = fma(T(0.5) * y, x - s * s, s);
    return where_positive(x - V::all(std::numeric_limits<T>::max()), x, finite);
}

}  // namespace charrnn::simd
