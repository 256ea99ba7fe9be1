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
        const std::size_t first = share.first * V::size, last = share.last * V::size;
        // The vectors of a panel stand side by side, and so do its rows.
        const std::size_t panel = c.ld();
        for (std::size_t j = first; j < last; j += panel - j % panel)
            for (std::size_t i = 0; i < c.rows(); ++i)
                std::fill_n(c.at(i, j / V::size), std::min(last, j + panel - j % panel) - j, T(0));
        if (sums != nullptr) std::fill(sums + first, sums + last, T(0));
        for (const std::uint32_t r : rows) {
            const T* const row = b.row(r);
            for (std::size_t j = first; j < last;) {
                T* to = c.at(ids[r], j / V::size);
                for (const std::size_t end = std::min(last, j + panel - j % panel); j < end;
                     j += V::size, to += V::size)
                    (V::load(to) + V::load(row + j)).store(to);
            }
            if (sums == nullptr) continue;
            for (std::size_t j = first; j < last; j += V::size)
                (V::load(sums + j) + V::load(row + j)).store(sums + j);
        }
    }
};

}  // namespace detail

/// What matmul_outer makes where A's rows are one at their ids and zero elsewhere: c[ids[r]] += B[r] over the given rows in
/// their order, from zero, and sums = the sums of B's columns where not null; a share of C's vectors of columns. B (R, N),
/// C (M, N), made for at most AVX-512; ids of all rows, below M.
template <class T>
void scatter_add(Simd level, const std::uint32_t* ids, View<const T> b, std::span<const std::uint32_t> rows,
                 OuterSums<T>& c, T* sums, Range share) {
    simd::dispatch(level, detail::ScatterAddKernel<T>{ids, b, rows, c, sums, share});
}

}  // namespace charrnn
