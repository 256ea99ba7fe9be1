#pragma once

#include <algorithm>
#include <charrnn/charrnn.hpp>
#include <cmath>

using namespace charrnn;

/// Adds the character to the state before a second layer (Char3Model and CharLoopModel of the fastai course):
///
///     u = relu(x W1 + b1)
///     h' = tanh((h + u) W2 + b2)
struct AddCell {
    std::size_t in = 0;   // D
    std::size_t out = 0;  // H

    static constexpr const char* short_name = "add";
    static constexpr std::size_t parts = 1;  // the state is h alone

    template <class T>
    struct Params {
        using value_type = T;
        Matrix<T> W1;  // (D, H)
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
        Params<T> p{xt::zeros<T>({in, out}), xt::zeros<T>({out}), xt::zeros<T>({out, out}),
                    xt::zeros<T>({out})};
        init::glorot_uniform(p.W1, random);
        init::glorot_uniform(p.W2, random);
        return p;
    }

    // What a step keeps for the way back: u, h + u, and room for a gradient.
    std::size_t tape_size() const { return 3 * out; }

    // Every view has a row for each lane.
    template <class T>
    void step(const Params<T>& p, View<const T> x, StateView<const T, 1> before, StateView<T, 1> after,
              View<T> tape) const {
        const View<T> u = tape.columns(0, out), sum = tape.columns(out, out), h = after[0];
        product(x, p.W1, u);
        for (std::size_t n = 0; n < x.rows; ++n)
            for (std::size_t j = 0; j < out; ++j) {
                u(n, j) = std::max(u(n, j) + p.b1(j), T(0));
                sum(n, j) = before[0](n, j) + u(n, j);
            }
        product(sum, p.W2, h);
        for (std::size_t n = 0; n < x.rows; ++n)
            for (std::size_t j = 0; j < out; ++j) h(n, j) = std::tanh(h(n, j) + p.b2(j));
    }

    // d_x and d_before are written, d is added to.
    template <class T>
    void step_back(const Params<T>& p, View<const T> x, StateView<const T, 1>, StateView<const T, 1> after,
                   View<T> tape, StateView<const T, 1> d_after, View<T> d_x, StateView<T, 1> d_before,
                   Params<T>& d) const {
        const View<T> u = tape.columns(0, out), sum = tape.columns(out, out);
        const View<T> d_z = tape.columns(2 * out, out), d_sum = d_before[0];
        for (std::size_t n = 0; n < x.rows; ++n)
            for (std::size_t j = 0; j < out; ++j) {
                d_z(n, j) = d_after[0](n, j) * (1 - after[0](n, j) * after[0](n, j));
                d.b2(j) += d_z(n, j);
            }
        product_at_b(sum, d_z, d.W2, true);
        product_a_bt(d_z, p.W2, d_sum);
        for (std::size_t n = 0; n < x.rows; ++n)
            for (std::size_t j = 0; j < out; ++j) {
                u(n, j) = u(n, j) > 0 ? d_sum(n, j) : T(0);
                d.b1(j) += u(n, j);
            }
        product_at_b(x, u, d.W1, true);
        product_a_bt(u, p.W1, d_x);
    }

    friend std::ostream& operator<<(std::ostream& stream, const AddCell& c) {
        return stream << "AddCell(" << c.in << ", " << c.out << ")";
    }
};
