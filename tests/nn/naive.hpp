#pragma once

#include <cmath>
#include <cstddef>
#include <cstdint>
#include <map>
#include <string>
#include <vector>

#include <charrnn/nn/activation.hpp>

/// @file
/// The layers once more, as plain loops over doubles: what the formulas say and nothing else. They are compiled as
/// kernels are, since the tests of a build with sanitizers spend their time here.

namespace naive {

using Numbers = std::vector<double>;
/// Arrays by name: "y", "x" (its gradient), "Wi", "after.0" (state), "before.0" (gradient of the first state) ...
using Arrays = std::map<std::string, Numbers>;

/// A window over which a layer is run and whose output gradient is d_y. Row t * lanes + n is step t of lane n.
struct Window {
    std::size_t steps, lanes;
    Numbers x, d_y;
    std::size_t truncate = 0;
    std::vector<std::uint8_t> begins{};  ///< empty: no document begins inside
    std::vector<Numbers> state{};        ///< before the window; each part (lanes, H)
};

inline double sigmoid(double x) { return 1 / (1 + std::exp(-x)); }

/// y = f(x W + b).
Arrays dense(std::size_t D, std::size_t K, const Numbers& W, const Numbers& b, const charrnn::Activation& f,
             const Window& w);

/// A recurrent layer: an LSTM with `lstm`, else h' = f(x Wi + h Wh + b).
struct Recurrent {
    bool lstm;
    std::size_t D, H;
    Numbers Wi, Wh, b;
    charrnn::Activation f = charrnn::activation::tanh;

    [[nodiscard]] Arrays run(const Window& w) const;
};

/// A GRU, the reset gate before or after the product with h. Without documents that begin inside a window.
struct Gru {
    bool reset_before;
    std::size_t D, H;
    Numbers Wi, Wh, b;  // b: r, z, n, and with the reset gate after: n of the state

    [[nodiscard]] Arrays run(const Window& w) const;
};

}  // namespace naive
