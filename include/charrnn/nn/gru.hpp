#pragma once

#include <array>
#include <cstddef>
#include <ostream>

#include <charrnn/core/vecmath.hpp>
#include <charrnn/nn/cell.hpp>

namespace charrnn {

/// Gated recurrent unit, with the reset gate applied after the product.
///
///     r = sigmoid(x Wi_r + h Wh_r + b_r)
///     z = sigmoid(x Wi_z + h Wh_z + b_z)
///     n = tanh(x Wi_n + b_nx + r * (h Wh_n + b_nh))
///     h' = (1 - z) * n + z * h
///
/// Shapes:  x (N, D), state h (N, H); Wi (D, 3H) and Wh (H, 3H): r, z, n; b (4H): r, z, nx, nh
/// First values: Glorot uniform, biases too.
/// Source:  Cho et al. 2014 in the form of PyTorch and cuDNN. For the first form, with the reset gate before the
///          product, see GRUResetBeforeCell.
struct GRUCell {
    std::size_t in = 0;   ///< D
    std::size_t out = 0;  ///< H

    static constexpr const char* type = "GRUCell";
    static constexpr const char* short_name = "gru";
    static constexpr std::size_t gates = 4;  ///< r, z, and the two halves of n, which only meet in `gate`
    static constexpr std::size_t parts = 1;
    static constexpr std::array<std::size_t, 3> input_blocks{0, 1, 2};
    static constexpr std::array<std::size_t, 3> hidden_blocks{0, 1, 3};

    template <class T>
    using Params = GatedParams<T>;

    template <class T>
    Params<T> init(Random& random) const {
        return glorot_gated<T>(*this, random);
    }

    template <class V>
    CHARRNN_INLINE void gate(V (&g)[4], V (&s)[1]) const {
        g[0] = simd::sigmoid(g[0]);
        g[1] = simd::sigmoid(g[1]);
        g[2] = simd::tanh(fma(g[0], g[3], g[2]));
        s[0] = fma(g[1], s[0] - g[2], g[2]);
    }

    template <class V>
    CHARRNN_INLINE void gate_back(V (&g)[4], const V (&before)[1], const V (&)[1], V (&d)[1]) const {
        using T = typename V::scalar;
        const V r = g[0], z = g[1], n = g[2];
        g[2] = d[0] * (T(1) - z) * (T(1) - n * n);
        g[0] = g[2] * g[3] * (r * (T(1) - r));
        g[3] = g[2] * r;
        g[1] = d[0] * (before[0] - n) * (z * (T(1) - z));
        d[0] = d[0] * z;
    }

    friend std::ostream& operator<<(std::ostream& stream, const GRUCell& c) {
        return stream << "GRUCell(" << c.in << ", " << c.out << ")";
    }
};

}  // namespace charrnn
