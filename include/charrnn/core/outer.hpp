#pragma once

#include <algorithm>
#include <array>
#include <cstddef>
#include <span>

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

    /// A panel of B's columns in a chunk: where it stands, or a copy of it row after row; and where its vectors stand in
    /// a row of C, counted from its first.
    template <int NV>
    struct Panel {
        const T* data;
        std::size_t ld;
        std::size_t v;
        simd::Offsets<NV> to;
    };

    template <int MR, int NV, class V>
    CHARRNN_INLINE void block(const OuterTerm<T>& term, std::size_t m, const Panel<NV>& panel,
                              Chunk& rows) const {
        V acc[MR][NV];
        T* const out = term.c.row(m) + panel.v * V::size;
        if (rows.first == 0)
            simd::clear_tile(acc);
        else
            simd::load_tile(acc, out, term.c.ld, panel.to);
        for (std::size_t r = rows.first; r < rows.last; r += stretch) {
            rows.next.fetch();
            const std::size_t depth = std::min(stretch, rows.last - r), done = r - rows.first;
            // The next tile of C, a row in a stretch.
            if (const std::size_t i = m + MR + done / stretch;
                packed && done / stretch < MR && i < term.c.rows) {
                CHARRNN_UNROLL
                for (std::size_t j = 0; j < NV; ++j)
                    __builtin_prefetch(term.c.row(i) + panel.v * V::size + panel.to.at[j], 1, 3);
            }
            // The next tiles' part of A, into the nearest cache: no processor guesses steps as wide as its rows.
            for (std::size_t i = 0; i < depth; ++i)
                __builtin_prefetch(term.a.row(r + i) + m + 64 / sizeof(T), 0, 3);
            tile<MR, NV>(depth, term.a.row(r) + m, 1, term.a.ld, panel.data + done * panel.ld, panel.ld, acc);
        }
        simd::store_tile(acc, out, term.c.ld, panel.to);
    }

    /// A term's columns of a panel in a chunk of rows.
    template <class Isa, int NV>
    CHARRNN_INLINE void tiles(const OuterTerm<T>& term, const Panel<NV>& panel, Chunk& rows) const {
        using V = typename Isa::template pack<T>;
        simd::for_each_row_tile<simd::TileShape<Isa>::rows>(
            term.a.cols, [&]<int MR>(std::size_t m)
                             __attribute__((always_inline)) { block<MR, NV, V>(term, m, panel, rows); });
    }

    /// The vectors from `v` on, n of them, in a chunk of rows.
    template <class Isa>
    CHARRNN_INLINE void columns_of_panel(std::size_t v, std::size_t n, Chunk& rows) const {
        using V = typename Isa::template pack<T>;
        constexpr int most = simd::TileShape<Isa>::vectors;
        alignas(64) T copy[chunk * most * V::size];
        Panel<most> panel{b.row(rows.first) + v * V::size, b.ld, v, simd::in_a_row<most, V>(n)};
        if (packed || n < most) {
            for (std::size_t r = rows.first; r < rows.last; ++r) {
                V line[1][most];
                simd::load_tile(line, b.row(r) + v * V::size, 0, panel.to);
                simd::store_tile(line, copy + (r - rows.first) * most * V::size, 0,
                                 simd::in_a_row<most, V>());
            }
            panel.data = copy;
            panel.ld = most * V::size;
        }
        for (const OuterTerm<T>& term : terms) {
            const Range wanted = wanted_of(term.wanted, v, n, most);
            if (simd::tile_width(wanted.last - wanted.first, most) == most)
                tiles<Isa, most>(term, panel, rows);
            else if (wanted.last > wanted.first)
                tiles<Isa, most - 1>(term,
                                     {panel.data + wanted.first * V::size, panel.ld, v + wanted.first,
                                      simd::in_a_row<most - 1, V>(wanted.last - wanted.first)},
                                     rows);
        }
        if (sums == nullptr) return;
        V s[1][most];
        if (rows.first == 0)
            simd::clear_tile(s);
        else
            simd::load_tile(s, sums + v * V::size, 0, panel.to);
        const T* from = panel.data;
        for (std::size_t r = rows.first; r < rows.last; ++r, from += panel.ld) {
            CHARRNN_UNROLL
            for (std::size_t j = 0; j < most; ++j) s[0][j] = s[0][j] + V::load(from + j * V::size);
        }
        simd::store_tile(s, sums + v * V::size, 0, panel.to);
    }

    /// Which of the n vectors of a panel, counted from its first, v. All, if a tile of the next smaller width does not
    /// do for them.
    static Range wanted_of(const Stripes& stripes, std::size_t v, std::size_t n, std::size_t panel) {
        if (stripes.all() || stripes.period % panel != 0) return {0, n};
        const std::size_t at = v % stripes.period, end = stripes.first + stripes.count;
        if (end <= at || stripes.first >= at + panel) return {0, 0};
        const Range some{std::max(stripes.first, at) - at, std::min(end, at + panel) - at};
        return some.last - some.first == panel - 1 ? some : Range{0, panel};
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
