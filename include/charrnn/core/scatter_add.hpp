#pragma once

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <span>

#include <charrnn/core/outer_term.hpp>
#include <charrnn/core/simd.hpp>
#include <charrnn/core/view.hpp>

/// @file
/// The gradients of weights that ids meet.

namespace charrnn {

namespace detail {

template <class T>
struct ScatterAddKernel {
    const std::uint32_t* ids;
    View<const T> b;
    std::span<const std::uint32_t> rows;
    OuterSums<T>& c;
    T* sums;
    Range share;

    template <class Isa>
    CHARRNN_INLINE void operator()(Isa) const {
        using V = typename Isa::template pack<T>;
        const std::size_t first = share.first * V::size, size = (share.last - share.first) * V::size;
        for (std::size_t i = 0; i < c.rows(); ++i) std::fill_n(c.at(i, share.first), size, T(0));
        if (sums != nullptr) std::fill_n(sums + first, size, T(0));
        const auto add = [size](const T* from, T* to) __attribute__((always_inline)) {
            for (std::size_t j = 0; j < size; j += V::size)
                (V::load(to + j) + V::load(from + j)).store(to + j);
        };
        for (const std::uint32_t r : rows) {
            add(b.row(r) + first, c.at(ids[r], share.first));
            if (sums != nullptr) add(b.row(r) + first, sums + first);
        }
    }
};

}  // namespace detail

/// What matmul_outer makes where A's rows are one at their ids and zero elsewhere: c[ids[r]] += B[r] over the given rows in
/// their order, from zero, and sums = the sums of B's columns where not null; a share of C's vectors of columns. B (R, N),
/// C (M, N), by rows; ids of all rows, below M.
template <class T>
void scatter_add(Simd level, const std::uint32_t* ids, View<const T> b, std::span<const std::uint32_t> rows,
                 OuterSums<T>& c, T* sums, Range share) {
    simd::dispatch(level, detail::ScatterAddKernel<T>{ids, b, rows, c, sums, share});
}

}  // namespace charrnn
