#pragma once

#include <algorithm>
#include <array>
#include <cstddef>
#include <span>
#include <type_traits>

#include <charrnn/core/fetch_ahead.hpp>
#include <charrnn/core/matmul.hpp>
#include <charrnn/core/simd.hpp>
#include <charrnn/core/tile.hpp>
#include <charrnn/core/view.hpp>

/// @file
/// Sums of outer products over the rows of a window: the gradients of weights, on one thread each.

namespace charrnn {

/// The vectors of columns that share `part` of an outer product covers: whole panels.
inline Range outer_share(Simd level, std::size_t vectors, Part part) {
    const std::size_t most = matmul_panel(level);
    const std::size_t panels = tiles_of(vectors, most);
    return {std::min(vectors, part.begin(panels) * most), std::min(vectors, part.end(panels) * most)};
}

/// One of the matrices A that are multiplied with the same B, and where its product goes.
template <class T>
struct OuterTerm {
    View<const T> a;  ///< (R, M)
    View<T> c;        ///< (M, N)
    /// The vectors of C's rows that are wanted. The others may be written or not, whichever is quicker.
    Stripes wanted = {};
};

namespace detail {

template <class T>
struct OuterKernel {
    std::span<const OuterTerm<T>> terms;  // at most two: FetchAhead has room for them and B
    View<const T> b;
    T* sums;
    Part part;
    bool packed;  ///< copy a chunk's panel of B before its tiles: pays where there are many of them

    // Chunks of rows whose panel stays in the first-level cache; lines are fetched ahead between stretches.
    static constexpr std::size_t chunk = 96, stretch = FetchAhead::stretch;
    // The bytes of C that stay in the second-level cache while the chunks pass by.
    static constexpr std::size_t group_bytes = std::size_t{512} << 10U;

    /// The rows [first, last), and those after them.
    struct Chunk {
        std::size_t first, last;
        FetchAhead next;
    };

    /// A panel of B's columns in a chunk: where it stands, or a copy of it row after row.
    struct Panel {
        const T* data;
        std::size_t ld;
    };

    template <int MR, int NV, class V>
    CHARRNN_INLINE void block(const OuterTerm<T>& term, std::size_t m, std::size_t v, const Panel& panel,
                              Chunk& rows) const {
        V acc[MR][NV];
        T* const out = term.c.row(m) + v * V::size;
        if (rows.first == 0)
            simd::clear_tile(acc);
        else
            simd::load_tile(acc, out, term.c.ld, simd::in_a_row<NV, V>());
        for (std::size_t r = rows.first; r < rows.last; r += stretch) {
            rows.next.fetch();
            const std::size_t depth = std::min(stretch, rows.last - r), done = r - rows.first;
            // The next tile of C, a row in a stretch.
            if (const std::size_t i = m + MR + done / stretch;
                packed && done / stretch < MR && i < term.c.rows) {
                CHARRNN_UNROLL
                for (std::size_t j = 0; j < NV; ++j)
                    __builtin_prefetch(term.c.row(i) + (v + j) * V::size, 1, 3);
            }
            // The next tiles' part of A, into the nearest cache: no processor guesses steps as wide as its rows.
            for (std::size_t i = 0; i < depth; ++i)
                __builtin_prefetch(term.a.row(r + i) + m + 64 / sizeof(T), 0, 3);
            tile<MR, NV>(depth, term.a.row(r) + m, 1, term.a.ld, panel.data + done * panel.ld, panel.ld, acc);
        }
        simd::store_tile(acc, out, term.c.ld, simd::in_a_row<NV, V>());
    }

    /// The vectors from `v` on, n of them, in a chunk of rows.
    template <class Isa>
    CHARRNN_INLINE void columns_of_panel(std::size_t v, std::size_t n, Chunk& rows) const {
        using V = typename Isa::template pack<T>;
        constexpr std::size_t most = simd::TileShape<Isa>::vectors;
        alignas(64) T copy[chunk * most * V::size];
        Panel panel{b.row(rows.first) + v * V::size, b.ld};
        // By whole panels where they are: the loops over a panel's vectors are unrolled.
        const auto by_panels = [&](const auto& f) __attribute__((always_inline)) {
            if (n == most)
                f(std::integral_constant<int, most>(), 0);
            else
                for (std::size_t j = 0; j < n; ++j) f(std::integral_constant<int, 1>(), j);
        };
        if (packed) {
            by_panels([&]<int NV>(std::integral_constant<int, NV>,
                                  std::size_t j) __attribute__((always_inline)) {
                for (std::size_t r = rows.first; r < rows.last; ++r) {
                    V line[1][NV];
                    simd::load_tile(line, b.row(r) + (v + j) * V::size, 0, simd::in_a_row<NV, V>());
                    simd::store_tile(line, copy + ((r - rows.first) * most + j) * V::size, 0,
                                     simd::in_a_row<NV, V>());
                }
            });
            panel = {copy, most * V::size};
        }
        for (const OuterTerm<T>& term : terms) {
            const Range wanted = wanted_of(term.wanted, v, n, most);
            const Panel columns{panel.data + wanted.first * V::size, panel.ld};
            const auto tiles = [&]<int NV>(std::integral_constant<int, NV>) __attribute__((always_inline)) {
                simd::for_each_row_tile<simd::TileShape<Isa>::rows>(
                    term.a.cols, [&]<int MR>(std::size_t m) __attribute__((always_inline)) {
                        block<MR, NV, V>(term, m, v + wanted.first, columns, rows);
                    });
            };
            switch (wanted.last - wanted.first) {
                case 1:
                    tiles(std::integral_constant<int, 1>());
                    break;
                case 2:
                    tiles(std::integral_constant<int, 2>());
                    break;
                case 3:
                    if constexpr (most > 2) tiles(std::integral_constant<int, 3>());
                    break;
                case 4:
                    if constexpr (most > 2) tiles(std::integral_constant<int, 4>());
                    break;
                default:
                    break;
            }
        }
        if (sums == nullptr) return;
        by_panels([&]<int NV>(std::integral_constant<int, NV>, std::size_t j) __attribute__((always_inline)) {
            T* const to = sums + (v + j) * V::size;
            V s[1][NV];
            if (rows.first == 0)
                simd::clear_tile(s);
            else
                simd::load_tile(s, to, 0, simd::in_a_row<NV, V>());
            const T* from = panel.data + j * V::size;
            for (std::size_t r = rows.first; r < rows.last; ++r, from += panel.ld) {
                CHARRNN_UNROLL
                for (int i = 0; i < NV; ++i)
                    s[0][i] = s[0][i] + V::load(from + static_cast<std::size_t>(i) * V::size);
            }
            simd::store_tile(s, to, 0, simd::in_a_row<NV, V>());
        });
    }

    /// Which of the n vectors from v on, counted from there.
    static Range wanted_of(const Stripes& stripes, std::size_t v, std::size_t n, std::size_t most) {
        if (stripes.all() || stripes.period % most != 0) return {0, n};
        const std::size_t at = v % stripes.period, end = stripes.first + stripes.count;
        if (end <= at || stripes.first >= at + n) return {0, 0};
        return {std::max(stripes.first, at) - at, std::min(end, at + n) - at};
    }

    template <class Isa>
    CHARRNN_INLINE void operator()(Isa) const {
        using V = typename Isa::template pack<T>;
        constexpr std::size_t most = simd::TileShape<Isa>::vectors;
        constexpr std::size_t height = simd::TileShape<Isa>::rows;
        const std::size_t vectors = tiles_of(b.cols, V::size);
        const auto [first, last] = outer_share(Isa::level, vectors, part);
        std::size_t depth = 0, tiles = 0;
        for (const OuterTerm<T>& term : terms) {
            depth += term.a.cols;
            tiles += tiles_of(term.a.cols, height);
        }
        const std::size_t group =
            std::max<std::size_t>(1, group_bytes / (std::max<std::size_t>(1, depth) * most * V::bytes)) *
            most;
        for (std::size_t g0 = first; g0 < last; g0 += group) {
            const std::size_t g1 = std::min(last, g0 + group);
            for (std::size_t r0 = 0; r0 == 0 || r0 < b.rows; r0 += chunk) {
                const std::size_t r1 = std::min(b.rows, r0 + chunk);
                const std::size_t next = std::min(chunk, b.rows - r1);
                const std::size_t calls = tiles_of(g1 - g0, most) * tiles * tiles_of(r1 - r0, stretch);
                Chunk rows{r0, r1, {}};
                rows.next.add(b.slice(r1, next).columns(g0 * V::size, (g1 - g0) * V::size));
                for (const OuterTerm<T>& term : terms) rows.next.add(term.a.slice(r1, next));
                rows.next.spread(calls);
                for (std::size_t v = g0; v < g1; v += most)
                    columns_of_panel<Isa>(v, std::min(most, g1 - v), rows);
            }
        }
    }
};

}  // namespace detail

/// C = A^T B, the sum over rows of outer products, for each of the terms, and sums = the column sums of B where not
/// null; the share `part` of C's columns. A (R, M), B (R, N), C (M, N).
template <class T, std::size_t Terms>
void matmul_outer(Simd level, const std::array<OuterTerm<T>, Terms>& terms, View<const T> b,
                  T* sums = nullptr, Part part = {}) {
    static_assert(Terms <= 2, "FetchAhead has room for B and two more");
    const std::span<const OuterTerm<T>> all(terms);
    std::size_t depth = 0;
    for (const OuterTerm<T>& term : all) depth += term.a.cols;
    // Together, their columns of C would leave the second-level cache.
    const std::size_t at_once = depth > 512 ? 1 : Terms;
    for (std::size_t i = 0; i < Terms; i += at_once)
        simd::dispatch(level, detail::OuterKernel<T>{all.subspan(i, at_once), b, i == 0 ? sums : nullptr,
                                                     part, depth >= 256});
}

}  // namespace charrnn
