#pragma once

#include <algorithm>
#include <cmath>
#include <concepts>
#include <cstddef>
#include <cstdint>
#include <vector>

#include <charrnn/core/buffer.hpp>
#include <charrnn/core/simd.hpp>
#include <charrnn/core/view.hpp>

/// @file
/// What an optimiser is, and how it is applied to all parameters in one pass over memory.

namespace charrnn {

/// An optimiser is a rule for one number, written on vectors, and its settings:
///
///     O::slots                         numbers that it keeps for each parameter (Adam: 2)
///     o.lr                             the learning rate at the beginning
///     o.factors<T>(step, lr)           what is the same for all parameters in step 1, 2, ...
///     o.update(p, g, slot, factors)    the new parameter and slots, from the gradient g
///     o.check()                        if it has one: value_error for settings out of range
template <class O>
concept Optimiser = std::copyable<O> &&
    requires(const O& o, simd::Pack<float, 16>& p, const simd::Pack<float, 16>& g,
             simd::Pack<float, 16> (&slot)[O::slots == 0 ? 1 : O::slots]) {
    { O::slots } -> std::convertible_to<std::size_t>;
    { o.lr } -> std::convertible_to<double>;
    o.update(p, g, slot, o.template factors<float>(std::uint64_t{1}, 0.1));
};

namespace detail {

/// A stretch of one parameter array: the unit in which work is shared out and norms are summed, so that neither
/// depends on the number of threads.
template <class T>
struct Stretch {
    T* parameter;
    const T* gradient;
    T* const* slots;  // the arrays of the optimiser, of this stretch's parameter
    std::size_t offset;
    std::size_t count;
    std::size_t layer = 0;
};

inline constexpr std::size_t stretch_length = 8192;

/// The sum of squares of a stretch's gradient.
template <class T>
struct SumOfSquares {
    const T* g;
    std::size_t n;
    double* result;

    template <class Isa>
    CHARRNN_INLINE void operator()(Isa) const {
        using V = typename Isa::template pack<T>;
        V total[4] = {V::all(0), V::all(0), V::all(0), V::all(0)};
        std::size_t i = 0;
        for (; i + 4 * V::size <= n; i += 4 * V::size) {
            CHARRNN_UNROLL
            for (std::size_t j = 0; j < 4; ++j) {
                const V x = V::load(g + i + j * V::size);
                total[j] = fma(x, x, total[j]);
            }
        }
        double s = static_cast<double>(sum((total[0] + total[1]) + (total[2] + total[3])));
        for (; i < n; ++i) s += static_cast<double>(g[i]) * static_cast<double>(g[i]);
        *result = s;
    }
};

/// One step of an optimiser on a stretch; the gradient is multiplied by `scale` first, then
/// clipped to [-limit, limit].
template <class O, class T>
struct UpdateStretch {
    using Factors = decltype(std::declval<const O&>().template factors<T>(std::uint64_t{1}, 0.1));

    const O& optimiser;
    const Stretch<T>& s;
    Factors factors;
    T scale;
    T limit;  // infinity: no clipping

    // So far ahead the arrays are fetched, in bytes: what the processor fetches by itself ends with each page.
    static constexpr std::size_t ahead = 1024;

    template <class V>
    CHARRNN_INLINE void at(std::size_t i) const {
        const std::size_t next = i + ahead / sizeof(T);
        __builtin_prefetch(s.parameter + next, 1, 2);
        __builtin_prefetch(s.gradient + next, 0, 2);
        CHARRNN_UNROLL
        for (std::size_t k = 0; k < O::slots; ++k) __builtin_prefetch(s.slots[k] + s.offset + next, 1, 2);
        V p = V::load(s.parameter + i);
        const V g = min(max(scale * V::load(s.gradient + i), V::all(-limit)), V::all(limit));
        V slot[O::slots == 0 ? 1 : O::slots];
        CHARRNN_UNROLL
        for (std::size_t k = 0; k < O::slots; ++k) slot[k] = V::load(s.slots[k] + s.offset + i);
        optimiser.update(p, g, slot, factors);
        p.store(s.parameter + i);
        CHARRNN_UNROLL
        for (std::size_t k = 0; k < O::slots; ++k) slot[k].store(s.slots[k] + s.offset + i);
    }

    template <class Isa>
    CHARRNN_INLINE void operator()(Isa) const {
        using V = typename Isa::template pack<T>;
        std::size_t i = 0;
        for (; i + V::size <= s.count; i += V::size) at<V>(i);
        for (; i < s.count; ++i) at<simd::Pack<T, sizeof(T)>>(i);
    }
};

}  // namespace detail
}  // namespace charrnn
