#pragma once

#include <cmath>
#include <cstddef>
#include <ostream>

#include <charrnn/core/blas.hpp>
#include <charrnn/nn/cell.hpp>

namespace charrnn {

/// Gated recurrent unit in its first form, with the reset gate before the product.
///
///     r = sigmoid(x Wi_r + h Wh_r + b_r)
///     z = sigmoid(x Wi_z + h Wh_z + b_z)
///     n = tanh(x Wi_n + (r * h) Wh_n + b_n)
///     h' = (1 - z) * n + z * h
///
/// The second product waits for r, so this is a cell with a step of its own, on OpenBLAS, and slower than GRUCell. A Model
/// knows it only where the program asks, so that others need not compile it:
/// `Registry<>::instance().add_cell<GRUResetBeforeCell>()`.
/// Shapes:  x (N, D), state h (N, H); Wi (D, 3H), Wh (H, 3H), b (3H): r, z, n
/// First values: Glorot uniform, biases too.
/// Source:  Cho et al. 2014, equations 5 to 8
struct GRUResetBeforeCell {
    std::size_t in = 0;   ///< D
    std::size_t out = 0;  ///< H

    static constexpr const char* type = "GRUResetBeforeCell";
    static constexpr const char* short_name = "gru-reset-before";
    static constexpr std::size_t parts = 1;

    template <class T>
    using Params = GatedParams<T>;

    template <class T>
    Params<T> init(Random& random) const {
        Params<T> p;
        p.Wi.resize({in, 3 * out});
        p.Wh.resize({out, 3 * out});
        p.b.resize({3 * out});
        p.visit([&](const char*, auto& array) { init::glorot_uniform(array, random); });
        return p;
    }

    /// r, z, n, and r * h.
    [[nodiscard]] std::size_t tape_size() const { return 4 * out; }

    template <class T>
    void step(const Params<T>& p, View<const T> x, StateView<const T, 1> before, StateView<T, 1> after,
              View<T> tape) const {
        const View<T> g = tape.columns(0, 3 * out), n = tape.columns(2 * out, out);
        const View<T> r_h = tape.columns(3 * out, out);
        const View<const T> wh = rows(p.Wh), h = before[0];
        product(x, p.Wi, g);
        product(h, wh.columns(0, 2 * out), tape.columns(0, 2 * out), true);
        for (std::size_t i = 0; i < x.rows; ++i)
            for (std::size_t j = 0; j < 2 * out; ++j) {
                g(i, j) = T(1) / (T(1) + std::exp(-(g(i, j) + p.b(j))));
                if (j < out) r_h(i, j) = g(i, j) * h(i, j);
            }
        product(r_h, wh.columns(2 * out, out), n, true);
        for (std::size_t i = 0; i < x.rows; ++i)
            for (std::size_t j = 0; j < out; ++j) {
                n(i, j) = std::tanh(n(i, j) + p.b(2 * out + j));
                after[0](i, j) = n(i, j) + g(i, out + j) * (h(i, j) - n(i, j));
            }
    }

    /// The tape's columns become the gradients of what they held (r, z, n: before their activations).
    template <class T>
    void step_back(const Params<T>& p, View<const T> x, StateView<const T, 1> before, StateView<const T, 1>,
                   View<T> tape, StateView<const T, 1> d_after, View<T> d_x, StateView<T, 1> d_before,
                   Params<T>& d) const {
        const View<T> g = tape.columns(0, 3 * out), n = tape.columns(2 * out, out);
        const View<T> r_h = tape.columns(3 * out, out);
        const View<const T> wh = rows(p.Wh), h = before[0];
        const View<T> d_wh(d.Wh.data(), out, 3 * out), d_h = d_before[0];
        for (std::size_t i = 0; i < x.rows; ++i)
            for (std::size_t j = 0; j < out; ++j) {
                const T d_i = d_after[0](i, j), z = g(i, out + j);
                g(i, out + j) = d_i * (h(i, j) - n(i, j)) * z * (1 - z);
                n(i, j) = d_i * (1 - z) * (1 - n(i, j) * n(i, j));
                d_h(i, j) = d_i * z;
            }
        product_at_b(r_h, n, d_wh.columns(2 * out, out), true);
        product_a_bt(n, wh.columns(2 * out, out), r_h);
        for (std::size_t i = 0; i < x.rows; ++i)
            for (std::size_t j = 0; j < out; ++j) {
                const T r = g(i, j);
                d_h(i, j) += r_h(i, j) * r;
                g(i, j) = r_h(i, j) * h(i, j) * r * (1 - r);
            }
        product_at_b(h, tape.columns(0, 2 * out), d_wh.columns(0, 2 * out), true);
        product_a_bt(tape.columns(0, 2 * out), wh.columns(0, 2 * out), d_h, true);
        product_at_b(x, g, d.Wi, true);
        product_a_bt(g, p.Wi, d_x);
        for (std::size_t i = 0; i < x.rows; ++i)
            for (std::size_t j = 0; j < 3 * out; ++j) d.b(j) += g(i, j);
    }

    friend std::ostream& operator<<(std::ostream& stream, const GRUResetBeforeCell& c) {
        return stream << "GRUResetBeforeCell(" << c.in << ", " << c.out << ")";
    }

  private:
    template <class T>
    static View<const T> rows(const Matrix<T>& m) {
        return {m.data(), m.shape(0), m.shape(1)};
    }
};

}  // namespace charrnn
