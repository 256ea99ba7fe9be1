#pragma once

#include <cstddef>
#include <utility>

#include <charrnn/core/pack.hpp>

namespace charrnn::simd {

/// Exchange the rows and columns of as many vectors as a vector has elements: blocks of half the size change places, then
/// blocks of half that size within each, down to single elements.
template <class T, int Bytes, std::size_t N>
CHARRNN_INLINE void turn(Pack<T, Bytes> (&x)[N]) {
    static_assert(N == Pack<T, Bytes>::size);
    const auto pass = [&]<std::size_t Far, std::size_t... I>(const auto& again, std::index_sequence<I...> all)
        __attribute__((always_inline)) {
        CHARRNN_UNROLL
        for (std::size_t i = 0; i < N; ++i)
            if ((i & Far) == 0) {
                const auto a = x[i].v, b = x[i + Far].v;
                x[i].v = __builtin_shufflevector(a, b, ((I & Far) == 0 ? I : N + I - Far)...);
                x[i + Far].v = __builtin_shufflevector(a, b, ((I & Far) == 0 ? I + Far : N + I)...);
            }
        if constexpr (Far > 1) again.template operator()<Far / 2>(again, all);
    };
    pass.template operator()<N / 2>(pass, std::make_index_sequence<N>());
}

/// The first `count` elements at p, and zeros.
template <class T, int Bytes>
CHARRNN_INLINE void load_some(const T* p, std::size_t count, Pack<T, Bytes>& to) {
    using V = Pack<T, Bytes>;
    if (count >= V::size) {
        to = V::load(p);
        return;
    }
    T some[V::size] = {};
    for (std::size_t i = 0; i < count; ++i) some[i] = p[i];
    to = V::load(some);
}

}  // namespace charrnn::simd
