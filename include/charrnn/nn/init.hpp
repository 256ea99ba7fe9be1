#pragma once

#include <cmath>
#include <cstddef>

#include <charrnn/core/random.hpp>
#include <charrnn/core/tensor.hpp>

/// @file
/// First values for parameters.

namespace charrnn::init {

/// Uniform on [-limit, limit).
template <class A>
void uniform(A& array, double limit, Random& random) {
    for (auto& x : array) x = static_cast<typename A::value_type>(random.uniform(-limit, limit));
}

/// Normal with mean 0 and the given deviation.
template <class A>
void normal(A& array, double deviation, Random& random) {
    for (auto& x : array) x = static_cast<typename A::value_type>(deviation * random.normal());
}

/// Glorot uniform: limit sqrt(6 / (fan_in + fan_out)); a vector of n counts as (n, 1) with a fan of n in all, as
/// Flux does for the biases of recurrent cells. Source: Glorot and Bengio 2010, equation 16.
template <class T>
void glorot_uniform(Matrix<T>& w, Random& random) {
    uniform(w, std::sqrt(6.0 / static_cast<double>(w.shape(0) + w.shape(1))), random);
}
template <class T>
void glorot_uniform(Vector<T>& b, Random& random) {
    uniform(b, std::sqrt(6.0 / static_cast<double>(b.size())), random);
}

}  // namespace charrnn::init
