#pragma once

#include <algorithm>
#include <charrnn/charrnn.hpp>
#include <cmath>

using namespace charrnn;

/// Reads state and character as one row before a second layer (CharLoopConcat of the fastai course):
///
///     z = relu([h, x] W1 + b1)
///     h' = tanh(z W2 + b2)
struct ConcatCell {
    std::size_t in = 0;   // D
    std::size_t out = 0;  // H

    static constexpr const char* short_name = "concat";
    static constexpr std::size_t parts = 1;  // the state is h alone

    template <class T>
    struct Params {
        using value_type = T;
        Matrix<T> W1;  // (H + D, H)
        Vector<T> b1;
        Matrix<T> W2;  // (H, H)
        Vector<T> b2;

        template <class F>
        void visit(F&& f) {
            f("W1", W1), f("b1", b1), f("W2", W2), f("b2", b2);
        }
        template <class F>
        void visit(F&& f) const {
            f("W1", W1), f("b1", b1), f("W2", W2), f("b2", b2);
        }
    };

    template <class T>
    Params<T> init(Random& random) const {
        Params<T> p{xt::zeros<T>({out + in, out}), xt::zeros<T>({out}), xt::zeros<T>({out, out}),
                    xt::zeros<T>({out})};
        init::glorot_uniform(p.W1, random);
        init::glorot_uniform(p.W2, random);
        return p;
    }

    // What a step keeps for the way back, a row for each lane: [h, x] and z, and room for their gradients.
    std::size_t tape_size() const { return 2 * (out + in + out); }

    // Every view has a row for each lane.
    template <class T>
    void step(const Params<T>& p, View<const T> x, StateView<const T, 1> before, StateView<T, 1> after,
              View<T> tape) const {
        const View<T> hx = tape.columns(0, out + in), z = tape.columns(out + in, out), h = after[0];
        for (std::size_t n = 0; n < x.rows; ++n) {
            std::copy_n(before[0].row(n), out, hx.row(n));
            std::copy_n(x.row(n), in, hx.row(n) + out);
        }
        product(hx, p.W1, z);
        for (std::size_t n = 0; n < x.rows; ++n)
            for (std::size_t j = 0; j < out; ++j) z(n, j) = std::max(z(n, j) + p.b1(j), T(0));
        product(z, p.W2, h);
        for (std::size_t n = 0; n < x.rows; ++n)
            for (std::size_t j = 0; j < out; ++j) h(n, j) = std::tanh(h(n, j) + p.b2(j));
    }

    // d_x and d_before are written, d is added to.
    template <class T>
    void step_back(const Params<T>& p, View<const T> x, StateView<const T, 1>, StateView<const T, 1> after,
                   View<T> tape, StateView<const T, 1> d_after, View<T> d_x, StateView<T, 1> d_before,
                   Params<T>& d) const {
        const View<T> hx = tape.columns(0, out + in), z = tape.columns(out + in, out);
        const View<T> d_hx = tape.columns(out + in + out, out + in);
        const View<T> d_z = tape.columns(2 * (out + in) + out, out), d_u = d_before[0];
        for (std::size_t n = 0; n < x.rows; ++n)
            for (std::size_t j = 0; j < out; ++j) {
                d_u(n, j) = d_after[0](n, j) * (1 - after[0](n, j) * after[0](n, j));
                d.b2(j) += d_u(n, j);
            }
        product_at_b(z, d_u, d.W2, true);
        product_a_bt(d_u, p.W2, d_z);
        for (std::size_t n = 0; n < x.rows; ++n)
            for (std::size_t j = 0; j < out; ++j) {
                if (z(n, j) <= 0) d_z(n, j) = 0;
                d.b1(j) += d_z(n, j);
            }
        product_at_b(hx, d_z, d.W1, true);
        product_a_bt(d_z, p.W1, d_hx);
        for (std::size_t n = 0; n < x.rows; ++n) {
            std::copy_n(d_hx.row(n), out, d_before[0].row(n));
            std::copy_n(d_hx.row(n) + out, in, d_x.row(n));
        }
    }

    friend std::ostream& operator<<(std::ostream& stream, const ConcatCell& c) {
        return stream << "ConcatCell(" << c.in << ", " << c.out << ")";
    }
};
