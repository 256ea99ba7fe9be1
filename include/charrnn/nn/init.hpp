#pragma once

#include <algorithm>
#include <cmath>
#include <cstddef>
#include <string>
#include <type_traits>
#include <utility>
#include <vector>

#include <charrnn/core/error.hpp>
#include <charrnn/core/random.hpp>
#include <charrnn/core/tensor.hpp>
#include <charrnn/nn/parameters.hpp>

/// @file
/// First values for parameters.
///
/// Layers choose good ones by themselves; these are for other choices, on an array of a layer or on a model's
/// parameter by its name:
///
///     init::identity(chain.layer<0>().params().Wh);
///     init::orthogonal(parameter(model, "layers.1.cell.Wh"), random, 1, 4);      // each gate of an LSTM
///     init::pytorch(model, random);

namespace charrnn::init {

namespace detail {

template <class A>
using scalar = typename std::remove_reference_t<A>::value_type;

/// Rows and columns; a vector has 0 columns.
template <class T>
std::pair<std::size_t, std::size_t> extents(const Matrix<T>& w) {
    return {w.shape(0), w.shape(1)};
}
template <class T>
std::pair<std::size_t, std::size_t> extents(const Vector<T>& b) {
    return {b.size(), 0};
}
template <class T>
std::pair<std::size_t, std::size_t> extents(const Parameter<T>& p) {
    return {p.shape[0], p.shape.size() > 1 ? p.shape[1] : 0};
}

/// Rows and the columns of one of some blocks side by side.
template <class A>
std::pair<std::size_t, std::size_t> block_extents(const A& w, std::size_t blocks, const char* what) {
    const auto [rows, columns] = extents(w);
    if (columns == 0) throw shape_error(std::string(what) + ": a vector, expected a matrix");
    if (blocks == 0 || columns % blocks != 0)
        throw shape_error(std::string(what) + ": " + std::to_string(columns) + " columns, expected a " +
                          "multiple of " + std::to_string(blocks) + " blocks");
    return {rows, columns / blocks};
}

/// The sum of fan in and fan out. A vector of n counts as n in all, as Flux does for the biases of recurrent cells.
template <class A>
double fans(const A& w) {
    const auto [rows, columns] = extents(w);
    return static_cast<double>(rows + columns);
}

}  // namespace detail

/// Every element the same.
template <class A>
void constant(A&& array, double value) {
    for (auto& x : array) x = static_cast<detail::scalar<A>>(value);
}

/// Uniform on [-limit, limit).
template <class A>
void uniform(A&& array, double limit, Random& random) {
    for (auto& x : array) x = static_cast<detail::scalar<A>>(random.uniform(-limit, limit));
}

/// Normal with mean 0 and the given deviation.
template <class A>
void normal(A&& array, double deviation, Random& random) {
    for (auto& x : array) x = static_cast<detail::scalar<A>>(deviation * random.normal());
}

/// Glorot uniform: limit sqrt(6 / (fan_in + fan_out)); a vector of n has a fan of n in all.
/// Source:  Glorot and Bengio 2010, equation 16
template <class A>
void glorot_uniform(A&& w, Random& random) {
    uniform(w, std::sqrt(6.0 / detail::fans(w)), random);
}

/// Glorot normal: deviation sqrt(2 / (fan_in + fan_out)). Source: Glorot and Bengio 2010, equation 12
template <class A>
void glorot_normal(A&& w, Random& random) {
    normal(w, std::sqrt(2.0 / detail::fans(w)), random);
}

/// `scale` times the identity, in each of some blocks of columns. With rectified linear units and a zero bias, a
/// recurrent layer with such a Wh keeps its state (the IRNN).
/// Errors:  shape_error for a vector, or columns that are not a multiple of the blocks
/// Source:  Le, Jaitly and Hinton 2015
template <class A>
void identity(A&& w, double scale = 1, std::size_t blocks = 1) {
    const auto [rows, columns] = detail::block_extents(w, blocks, "identity");
    constant(w, 0);
    const auto first = w.begin();
    for (std::size_t b = 0; b < blocks; ++b)
        for (std::size_t i = 0; i < std::min(rows, columns); ++i)
            *(first + static_cast<std::ptrdiff_t>((i * blocks + b) * columns + i)) =
                static_cast<detail::scalar<A>>(scale);
}

/// `gain` times a random orthogonal matrix, in each of some blocks of columns: its columns are orthonormal, or its
/// rows where there are fewer of them.
/// Errors:  as identity
/// Source:  Saxe, McClelland and Ganguli 2014; by Gram and Schmidt from normal numbers
template <class A>
void orthogonal(A&& w, Random& random, double gain = 1, std::size_t blocks = 1) {
    const auto [rows, columns] = detail::block_extents(w, blocks, "orthogonal");
    const std::size_t count = std::min(rows, columns), length = std::max(rows, columns);
    std::vector<double> q(count * length);  // vectors to make orthonormal, one after the other
    const auto dot = [&](std::size_t a, std::size_t b) {
        double s = 0;
        for (std::size_t i = 0; i < length; ++i) s += q[a * length + i] * q[b * length + i];
        return s;
    };
    const auto first = w.begin();
    for (std::size_t block = 0; block < blocks; ++block) {
        for (std::size_t v = 0; v < count; ++v) {
            for (std::size_t i = 0; i < length; ++i) q[v * length + i] = random.normal();
            for (int again = 0; again < 2; ++again)  // once more for what rounding left
                for (std::size_t u = 0; u < v; ++u) {
                    const double share = dot(u, v);
                    for (std::size_t i = 0; i < length; ++i) q[v * length + i] -= share * q[u * length + i];
                }
            const double norm = std::sqrt(dot(v, v));
            for (std::size_t i = 0; i < length; ++i) q[v * length + i] /= norm;
        }
        for (std::size_t i = 0; i < rows; ++i)
            for (std::size_t j = 0; j < columns; ++j)
                *(first + static_cast<std::ptrdiff_t>((i * blocks + block) * columns + j)) =
                    static_cast<detail::scalar<A>>(gain *
                                                   (rows >= columns ? q[j * length + i] : q[i * length + j]));
    }
}

/// The first values that PyTorch gives by default, to compare runs: recurrent cells uniform with limit 1 / sqrt(H),
/// where PyTorch has two biases their sum; Dense uniform with limit 1 / sqrt(D), its bias too; Embedding normal.
///
/// Goes by the names of the parameters: a user's cell with Wi, Wh and b is a recurrent cell, and W1 with b1, or W2 with
/// b2, is one of PyTorch's Linear layers, as Dense is.
/// Errors:  value_error for a parameter that PyTorch has no rule for
/// Source:  PyTorch's reset_parameters of nn.RNNBase, nn.Linear and nn.Embedding
template <class M>
void pytorch(M& model, Random& random) {
    const auto parameters = model.parameters();
    const auto has = [&](const std::string& name) {
        return std::any_of(parameters.begin(), parameters.end(),
                           [&](const auto& p) { return p.name == name; });
    };
    for (const auto& p : parameters) {
        const std::size_t dot = p.name.rfind('.') + 1;
        const std::string stem = p.name.substr(0, dot), own = p.name.substr(dot);
        if (has(stem + "Wh") && (own == "Wi" || own == "Wh" || own == "b")) {
            const auto wh = parameter(model, stem + "Wh");
            const double limit = 1 / std::sqrt(static_cast<double>(wh.shape[0]));
            uniform(p, limit, random);
            if (own != "b") continue;
            // A GRU has b_nx and b_nh apart: its b is one block longer than Wh.
            const std::size_t apart = p.size > wh.shape[1] ? 2 * (p.size - wh.shape[1]) : 0;
            for (std::size_t j = 0; j < p.size - apart; ++j)
                p.data[j] +=
                    static_cast<std::remove_reference_t<decltype(*p.data)>>(random.uniform(-limit, limit));
        } else if (const std::string rest = own.substr(1);
                   (own[0] == 'W' || own[0] == 'b') && has(stem + "W" + rest) && has(stem + "b" + rest)) {
            const auto w = parameter(model, stem + "W" + rest);
            uniform(p, 1 / std::sqrt(static_cast<double>(w.shape[0])), random);
        } else if (own == "W") {
            normal(p, 1, random);
        } else {
            throw value_error("init::pytorch: no rule for the parameter " + p.name);
        }
    }
}

}  // namespace charrnn::init
