#pragma once

#include <charrnn/charrnn.hpp>
#include <cmath>

using namespace charrnn;

/// The library's RNNCell written by hand, a step at a time (the loop over RNNCell in the fastai course):
///
///     h' = tanh(x Wi + h Wh + b)
struct PlainCell {
    std::size_t in = 0;   // D
    std::size_t out = 0;  // H

    static constexpr const char* short_name = "plain";
    static constexpr std::size_t parts = 1;  // the state is h alone

    template <class T>
    using Params = GatedParams<T>;  // Wi (D, H), Wh (H, H), b (H)

    template <class T>
    Params<T> init(Random& random) const {
        return RNNCell{in, out}.init<T>(random);
    }

    // What a step needs on the way back: room for one gradient.
    std::size_t tape_size() const { return out; }

    // Every view has a row for each lane.
    template <class T>
    void step(const Params<T>& p, View<const T> x, StateView<const T, 1> before, StateView<T, 1> after,
              View<T>) const {
        const View<T> h = after[0];
        product(x, p.Wi, h);
        product(before[0], p.Wh, h, true);
        for (std::size_t n = 0; n < x.rows; ++n)
            for (std::size_t j = 0; j < out; ++j) h(n, j) = std::tanh(h(n, j) + p.b(j));
    }

    // d_x and d_before are written, d is added to.
    template <class T>
    void step_back(const Params<T>& p, View<const T> x, StateView<const T, 1> before,
                   StateView<const T, 1> after, View<T> d_z, StateView<const T, 1> d_after, View<T> d_x,
                   StateView<T, 1> d_before, Params<T>& d) const {
        for (std::size_t n = 0; n < x.rows; ++n)
            for (std::size_t j = 0; j < out; ++j) {
                d_z(n, j) = d_after[0](n, j) * (1 - after[0](n, j) * after[0](n, j));
                d.b(j) += d_z(n, j);
            }
        product_at_b(x, d_z, d.Wi, true);
        product_at_b(before[0], d_z, d.Wh, true);
        product_a_bt(d_z, p.Wi, d_x);
        product_a_bt(d_z, p.Wh, d_before[0]);
    }

    friend std::ostream& operator<<(std::ostream& stream, const PlainCell& c) {
        return stream << "PlainCell(" << c.in << ", " << c.out << ")";
    }
};
