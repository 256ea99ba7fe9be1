#pragma once

#include <array>
#include <cstddef>
#include <map>
#include <ostream>
#include <string>

#include <charrnn/nn/activation.hpp>
#include <charrnn/nn/cell.hpp>

namespace charrnn {

/// The plain recurrent cell, h' = f(x Wi + h Wh + b), with f = tanh if nothing else is said.
///
/// Shapes:  x (N, D), state h (N, H); Wi (D, H), Wh (H, H), b (H)
/// First values: Glorot uniform, the bias too.
/// Source:  Elman 1990
struct RNNCell {
    std::size_t in = 0;                        ///< D
    std::size_t out = 0;                       ///< H
    Activation activation = activation::tanh;  ///< f

    static constexpr const char* type = "RNNCell";
    static constexpr const char* short_name = "rnn";
    static constexpr std::size_t gates = 1;
    static constexpr std::size_t parts = 1;
    static constexpr std::array<std::size_t, 1> input_blocks{0};
    static constexpr std::array<std::size_t, 1> hidden_blocks{0};

    template <class T>
    using Params = GatedParams<T>;

    template <class T>
    Params<T> init(Random& random) const {
        return glorot_gated<T>(*this, random);
    }

    template <class V>
    CHARRNN_INLINE void gate(V (&g)[1], V (&s)[1]) const {
        s[0] = activation.apply(g[0]);
    }

    template <class V>
    CHARRNN_INLINE void gate_back(V (&g)[1], const V (&)[1], const V (&after)[1], V (&d)[1]) const {
        g[0] = d[0] * activation.derivative(g[0], after[0]);
        d[0] = V::all(0);
    }

    /// What a file says of the cell beside its widths.
    [[nodiscard]] std::map<std::string, std::string> options() const {
        return {{"activation", activation.name}};
    }

    friend std::ostream& operator<<(std::ostream& stream, const RNNCell& c) {
        return stream << "RNNCell(" << c.in << ", " << c.out << ", " << c.activation << ")";
    }
};

}  // namespace charrnn
