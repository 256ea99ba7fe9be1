#pragma once

#include <algorithm>
#include <cstddef>
#include <string>

#include <charrnn/core/error.hpp>
#include <charrnn/core/tensor.hpp>
#include <charrnn/core/view.hpp>

/// @file
/// Matrix products through OpenBLAS, for cells and layers that a program writes itself.
///
/// The library's own cells do not use them: OpenBLAS adds in an order that depends on the number of rows, so the
/// last bits of a product do, too.

namespace charrnn {

namespace detail {

template <class T>
View<T> as_view(const View<T>& v) {
    return v;
}
template <class T>
View<T> as_view(Matrix<T>& m) {
    return {m.data(), m.shape(0), m.shape(1)};
}
template <class T>
View<const T> as_view(const Matrix<T>& m) {
    return {m.data(), m.shape(0), m.shape(1)};
}

/// The product itself, where nothing is empty. Defined in xblas.hpp.
template <class T>
void gemm_unchecked(View<const T> a, bool a_transposed, View<const T> b, bool b_transposed, View<T> c,
                    bool accumulate);

template <class T>
void gemm(const char* what, View<const T> a, bool a_transposed, View<const T> b, bool b_transposed, View<T> c,
          bool accumulate) {
    const std::size_t m = a_transposed ? a.cols : a.rows;
    const std::size_t k = a_transposed ? a.rows : a.cols;
    const std::size_t n = b_transposed ? b.rows : b.cols;
    if ((b_transposed ? b.cols : b.rows) != k || c.rows != m || c.cols != n) {
        const auto shape = [](std::size_t rows, std::size_t cols) {
            return "(" + std::to_string(rows) + ", " + std::to_string(cols) + ")";
        };
        throw shape_error(std::string(what) + ": a is " + shape(a.rows, a.cols) + ", b is " +
                          shape(b.rows, b.cols) + " and c is " + shape(c.rows, c.cols) +
                          ": the inner extents or the result do not fit");
    }
    if (m == 0 || n == 0) return;
    if (k == 0) {  // an empty sum; BLAS refuses a leading dimension of 0
        if (!accumulate)
            for (std::size_t i = 0; i < m; ++i) std::fill_n(c.row(i), n, T(0));
        return;
    }
    gemm_unchecked(a, a_transposed, b, b_transposed, c, accumulate);
}

}  // namespace detail

/// C = A B, or C += A B where `accumulate`.
/// Shapes:  a (M, K), b (K, N), c (M, N), each a View or a Matrix
/// Errors:  shape_error if the three do not fit, naming them
template <class A, class B, class C>
void product(const A& a, const B& b, C&& c, bool accumulate = false) {
    const auto to = detail::as_view(c);
    using T = std::remove_reference_t<decltype(*to.data)>;
    detail::gemm<T>("product", detail::as_view(a), false, detail::as_view(b), false, to, accumulate);
}

/// C = A^T B, or C += A^T B: the gradient of weights, d_W += x^T d_y.
/// Shapes:  a (K, M), b (K, N), c (M, N). Errors: as product
template <class A, class B, class C>
void product_at_b(const A& a, const B& b, C&& c, bool accumulate = false) {
    const auto to = detail::as_view(c);
    using T = std::remove_reference_t<decltype(*to.data)>;
    detail::gemm<T>("product_at_b", detail::as_view(a), true, detail::as_view(b), false, to, accumulate);
}

/// C = A B^T, or C += A B^T: the gradient of an input, d_x = d_y W^T.
/// Shapes:  a (M, K), b (N, K), c (M, N). Errors: as product
template <class A, class B, class C>
void product_a_bt(const A& a, const B& b, C&& c, bool accumulate = false) {
    const auto to = detail::as_view(c);
    using T = std::remove_reference_t<decltype(*to.data)>;
    detail::gemm<T>("product_a_bt", detail::as_view(a), false, detail::as_view(b), true, to, accumulate);
}

}  // namespace charrnn

#ifndef CHARRNN_COMPILED
#include <charrnn/core/xblas.hpp>
#endif
