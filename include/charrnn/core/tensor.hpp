#pragma once

#include <memory>

// xtensor moved its headers in 0.26; this is the one place that knows.
#if __has_include(<xtensor/containers/xtensor.hpp>)
#include <xtensor/containers/xadapt.hpp>
#include <xtensor/containers/xtensor.hpp>
#else
#include <xtensor/xadapt.hpp>
#include <xtensor/xtensor.hpp>
#endif

/// @file
/// The arrays that a user of the library sees.

namespace charrnn {

/// A dense row-major array of rank R. The allocator is named, because xtensor's default one follows the
/// architecture flags: two translation units compiled with different flags would disagree about the layout.
template <class T, std::size_t R>
using Tensor = xt::xtensor<T, R, xt::layout_type::row_major, std::allocator<T>>;

/// An array of rank 1.
template <class T>
using Vector = Tensor<T, 1>;
/// An array of rank 2.
template <class T>
using Matrix = Tensor<T, 2>;

}  // namespace charrnn
