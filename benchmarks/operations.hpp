#pragma once

#include <cstddef>
#include <string>

#include <charrnn/core/error.hpp>

/// @file
/// Useful operations a character: those of the products that the mathematics asks for. A multiply-add is two.
/// Elementwise work does not count, nor does padding, nor the first layer's lookup.

namespace charrnn::bench {

/// One row times a (K, N) matrix.
inline double product_operations(std::size_t k, std::size_t n) {
    return 2.0 * static_cast<double>(k) * static_cast<double>(n);
}

/// Forward through a recurrent layer D -> H; D = 0 where the input is ids. Backward takes twice as many: for the
/// gradient of what goes in, and for that of the weights.
inline double layer_operations(const std::string& cell, std::size_t in, std::size_t hidden) {
    const std::size_t gates = cell == "lstm" ? 4 : cell == "gru" ? 3 : cell == "rnn" ? 1 : 0;
    if (gates == 0) throw value_error("what is a " + cell + "?");
    return product_operations(in + hidden, gates * hidden);
}

/// Forward and backward through the usual model. LSTM 2x128: 6 (3 * 4 * 128^2 + 128 V).
inline double training_operations(const std::string& cell, std::size_t vocabulary, std::size_t hidden,
                                  std::size_t layers) {
    double forward = product_operations(hidden, vocabulary);
    for (std::size_t i = 0; i < layers; ++i) forward += layer_operations(cell, i == 0 ? 0 : hidden, hidden);
    return 3 * forward;
}

}  // namespace charrnn::bench
