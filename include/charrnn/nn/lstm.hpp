#pragma once

#include <array>
#include <cstddef>
#include <ostream>

#include <charrnn/core/vecmath.hpp>
#include <charrnn/nn/cell.hpp>

namespace charrnn {

/// Long short-term memory.
///
///     g = x Wi + h Wh + b,  blocks input i, forget f, cell z, output o
///     c' = sigmoid(f) * c + sigmoid(i) * tanh(z)
///     h' = sigmoid(o) * tanh(c')
///
/// Shapes:  x (N, D), state h and c (N, H); Wi (D, 4H), Wh (H, 4H), b (4H)
/// First values: Glorot uniform, biases too; the forget gate's bias is 1.
/// Source:  Hochreiter and Schmidhuber 1997; Gers, Schmidhuber and Cummins 2000 (forget gate)
struct LSTMCell {
    std::size_t in = 0;   ///< D
    std::size_t out = 0;  ///< H

    static constexpr const char* type = "LSTMCell";
    static constexpr const char* short_name = "lstm";
    static constexpr std::size_t gates = 4;
    static constexpr std::size_t parts = 2;
    static constexpr std::array<std::size_t, 4> input_blocks{0, 1, 2, 3};
    static constexpr std::array<std::size_t, 4> hidden_blocks{0, 1, 2, 3};

    template <class T>
    using Params = GatedParams<T>;

    template <class T>
    Params<T> init(Random& random) const {
        Params<T> p = glorot_gated<T>(*this, random);
        for (std::size_t j = out; j < 2 * out; ++j) p.b(j) = T(1);
        return p;
    }

    template <class V>
    CHARRNN_INLINE void gate(V (&g)[4], V (&s)[2]) const {
        g[0] = simd::sigmoid(g[0]);
        g[1] = simd::sigmoid(g[1]);
        g[2] = simd::tanh(g[2]);
        g[3] = simd::sigmoid(g[3]);
        s[1] = fma(g[1], s[1], g[0] * g[2]);
        s[0] = g[3] * simd::tanh(s[1]);
    }

    template <class V>
    CHARRNN_INLINE void gate_back(V (&g)[4], const V (&before)[2], const V (&after)[2], V (&d)[2]) const {
        using T = typename V::scalar;
        const V i = g[0], f = g[1], z = g[2], o = g[3];
        const V tanh_c = simd::tanh(after[1]);
        const V d_c = fma(d[0] * o, T(1) - tanh_c * tanh_c, d[1]);
        g[0] = d_c * z * (i * (T(1) - i));
        g[1] = d_c * before[1] * (f * (T(1) - f));
        g[2] = d_c * i * (T(1) - z * z);
        g[3] = d[0] * tanh_c * (o * (T(1) - o));
        d[0] = V::all(T(0));
        d[1] = d_c * f;
    }

    friend std::ostream& operator<<(std::ostream& stream, const LSTMCell& c) {
        return stream << "LSTMCell(" << c.in << ", " << c.out << ")";
    }
};

}  // namespace charrnn
