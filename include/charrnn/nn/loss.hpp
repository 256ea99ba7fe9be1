#pragma once

#include <cmath>
#include <cstddef>
#include <cstdint>
#include <limits>
#include <string>

#include <charrnn/core/error.hpp>
#include <charrnn/core/simd.hpp>
#include <charrnn/core/tensor.hpp>
#include <charrnn/core/vecmath.hpp>
#include <charrnn/core/view.hpp>

/// @file
/// Cross-entropy, in nats a character.

namespace charrnn {

/// Softmax along each row: p_j = e^(x_j - max) / sum. Shapes: (R, V) -> (R, V). Errors: none.
template <class T>
Matrix<T> softmax_rows(const Matrix<T>& logits) {
    Matrix<T> p = logits;
    for (std::size_t r = 0; r < p.shape(0); ++r) {
        T most = p(r, 0);
        for (std::size_t j = 1; j < p.shape(1); ++j) most = std::max(most, p(r, j));
        T sum = 0;
        for (std::size_t j = 0; j < p.shape(1); ++j) sum += p(r, j) = std::exp(p(r, j) - most);
        for (std::size_t j = 0; j < p.shape(1); ++j) p(r, j) /= sum;
    }
    return p;
}

namespace detail {

template <class T, class Targets>
void check_targets(const Matrix<T>& x, const Targets& targets, const char* what) {
    if (x.shape(0) != targets.size())
        throw shape_error(std::string(what) + ": " + std::to_string(targets.size()) + " targets, expected " +
                          std::to_string(x.shape(0)) + ", one a row");
    if (targets.size() == 0) throw shape_error(std::string(what) + ": no rows, expected at least one");
    for (std::size_t r = 0; r < targets.size(); ++r)
        if (targets[r] >= x.shape(1))
            throw shape_error(std::string(what) + ": target " + std::to_string(targets[r]) + " in row " +
                              std::to_string(r) + ", expected less than V = " + std::to_string(x.shape(1)));
}

}  // namespace detail

/// Cross-entropy from logits, -log softmax(x)[target], mean over the rows.
/// Shapes:  logits (R, V), targets R ids
/// Units:   nats a character
/// Errors:  shape_error if there is not one target below V for each row, or no row
template <class T, class Targets>
double cross_entropy(const Matrix<T>& logits, const Targets& targets) {
    detail::check_targets(logits, targets, "cross_entropy");
    double total = 0;
    for (std::size_t r = 0; r < targets.size(); ++r) {
        double most = logits(r, 0);
        for (std::size_t j = 1; j < logits.shape(1); ++j)
            most = std::max(most, static_cast<double>(logits(r, j)));
        double sum = 0;
        for (std::size_t j = 0; j < logits.shape(1); ++j)
            sum += std::exp(static_cast<double>(logits(r, j)) - most);
        total += std::log(sum) + (most - static_cast<double>(logits(r, targets[r])));
    }
    return total / static_cast<double>(targets.size());
}

/// Cross-entropy of probabilities, -log p[target], mean over the rows: what a chain that ends in softmax gives.
/// A probability below the smallest normal number (1e-38 in float) counts as that. Shapes and errors as cross_entropy.
template <class T, class Targets>
double cross_entropy_probabilities(const Matrix<T>& p, const Targets& targets) {
    detail::check_targets(p, targets, "cross_entropy_probabilities");
    double total = 0;
    for (std::size_t r = 0; r < targets.size(); ++r)
        total -= std::log(std::max(static_cast<double>(p(r, targets[r])),
                                   static_cast<double>(std::numeric_limits<T>::min())));
    return total / static_cast<double>(targets.size());
}

namespace detail {

/// Losses of some rows of a window, and the gradient of their sum times `scale` with respect to the logits.
/// Masked rows (t < from[n] or t >= valid[n]) have loss 0 and gradient 0.
template <class T>
struct CrossEntropyRows {
    View<const T> logits;  // (T * N, V), room for whole vectors
    View<T> d_logits;      // the same rows, may be the logits' own memory; none: losses only
    const std::uint32_t* targets;
    const std::uint32_t* valid;  // (N), or null: all
    std::size_t n_lanes;
    std::size_t steps;
    Lanes lanes;
    T scale;
    double* losses;                       // (T * N)
    const std::uint32_t* from = nullptr;  // (N), or null: 0 in all

    template <class Isa>
    CHARRNN_INLINE void operator()(Isa) const {
        using V = typename Isa::template pack<T>;
        const std::size_t whole = logits.cols / V::size * V::size;
        // 1 for each column in the last vector, 0 behind them, where there is room but no logit.
        T counts[V::size];
        for (std::size_t j = 0; j < V::size; ++j) counts[j] = whole + j < logits.cols ? T(1) : T(0);
        const V real = V::load(counts);
        for (std::size_t t = 0; t < steps; ++t)
            for (std::size_t n = lanes.first; n < lanes.first + lanes.count; ++n) {
                const std::size_t r = t * n_lanes + n;
                const T* x = logits.row(r);
                T* d = d_logits ? d_logits.row(r) : nullptr;
                if ((valid != nullptr && t >= valid[n]) || (from != nullptr && t < from[n])) {
                    losses[r] = 0;
                    if (d != nullptr) std::fill(d, d + logits.cols, T(0));
                    continue;
                }
                const bool more = whole < logits.cols;
                const V tail =
                    more ? where_positive(real, V::load(x + whole), V::all(std::numeric_limits<T>::lowest()))
                         : V::all(std::numeric_limits<T>::lowest());
                V most = tail;
                for (std::size_t j = 0; j < whole; j += V::size) most = max(most, V::load(x + j));
                const T top = largest(most);
                const T at_target = x[targets[r]];
                V total = V::all(T(0));
                for (std::size_t j = 0; j < whole; j += V::size) {
                    const V e = simd::exp(V::load(x + j) - V::all(top));
                    if (d != nullptr) e.store(d + j);
                    total = total + e;
                }
                const V e = real * simd::exp(tail - V::all(top));
                total = total + e;
                const T all = sum(total);
                losses[r] = std::log(static_cast<double>(all)) +
                            (static_cast<double>(top) - static_cast<double>(at_target));
                if (d == nullptr) continue;
                const V factor = V::all(scale / all);
                for (std::size_t j = 0; j < whole; j += V::size) (V::load(d + j) * factor).store(d + j);
                if (more) (e * factor).store(d + whole);
                d[targets[r]] -= scale;
            }
    }
};

}  // namespace detail
}  // namespace charrnn
