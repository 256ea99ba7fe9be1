#pragma once

#include <cstddef>

#include <xtensor-blas/xblas.hpp>

#include <charrnn/core/view.hpp>

/// @file
/// The call of OpenBLAS, in a header of its own, which takes half a second to compile.

namespace charrnn::detail {

template <class T>
void gemm_unchecked(View<const T> a, bool a_transposed, View<const T> b, bool b_transposed, View<T> c,
                    bool accumulate) {
    const std::size_t k = a_transposed ? a.rows : a.cols;
    const auto index = [](std::size_t i) { return static_cast<xt::blas_index_t>(i); };
    const auto transposed = [](bool yes) { return yes ? cxxblas::Trans : cxxblas::NoTrans; };
    cxxblas::gemm<xt::blas_index_t>(cxxblas::RowMajor, transposed(a_transposed), transposed(b_transposed),
                                    index(c.rows), index(c.cols), index(k), T(1), a.data, index(a.ld), b.data,
                                    index(b.ld), T(accumulate ? 1 : 0), c.data, index(c.ld));
}

}  // namespace charrnn::detail
