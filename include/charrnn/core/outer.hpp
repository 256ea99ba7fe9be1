#pragma once

#include <algorithm>
#include <array>
#include <bit>
#include <cstddef>
#include <cstdint>
#include <cstring>
#include <span>
#include <type_traits>

#include <charrnn/core/buffer.hpp>
#include <charrnn/core/fetch_ahead.hpp>
#include <charrnn/core/matmul.hpp>
#include <charrnn/core/outer_on_tiles.hpp>
#include <charrnn/core/outer_term.hpp>
#include <charrnn/core/simd.hpp>
#include <charrnn/core/tile.hpp>
#include <charrnn/core/view.hpp>

/// @file
/// Sums of outer products over the rows of a window: the gradients of weights, on one thread each.

namespace charrnn {

/// The vectors of columns of a share of an outer product's panels, of `vectors` in all.
inline Range outer_share(Simd level, std::size_t vectors, Range panels) {
    const std::size_t most = matmul_panel(level);
    return {std::min(vectors, panels.first * most), std::min(vectors, panels.last * most)};
}
/// How many panels there are.
inline std::size_t outer_panels(Simd level, std::size_t vectors) {
    return tiles_of(vectors, matmul_panel(level));
}

namespace detail {

template <class T>
struct OuterKernel {
    std::span<const OuterTerm<T>> terms;  // at most two: FetchAhead has room for them and B
    View<const T> b;
    std::span<const std::uint32_t> rows;  // of A and B
    T* sums;
    Range share;  // of the vectors of B's columns
    T* copies;    ///< room for copies_size() scalars

    // Chunks of rows, of which a panel of B stays in the first-level cache.
    static constexpr std::size_t chunk = 64;

    /// The heights of tiles that cover n columns of A: as many rows as a tile has at most, or one less.
    template <class Isa>
    struct Heights {
        static constexpr std::size_t most = simd::TileShape<Isa>::rows;
        /// From the copy of one tile's part of A to the next, with room for what the last vector has too many.
        static constexpr std::size_t step = chunk * most + 64 / sizeof(T);

        std::size_t tiles, higher;  // the first `higher` tiles are the high ones

        explicit Heights(std::size_t n)
            : tiles(tiles_of(n, most)), higher(n - std::min(n, (most - 1) * tiles)) {}
        [[nodiscard]] std::size_t of(std::size_t tile) const { return tile < higher ? most : most - 1; }
    };

    /// Scalars for the copies of A's rows.
    static std::size_t copies_size(std::span<const OuterTerm<T>> terms) {
        std::size_t size = 0;
        for (const OuterTerm<T>& term : terms)
            size += std::max({Heights<simd::Baseline>(term.a.cols).tiles * Heights<simd::Baseline>::step,
                              Heights<simd::Avx512>(term.a.cols).tiles * Heights<simd::Avx512>::step});
        return size;
    }

    /// Rows of B that follow each other, and where the first of them stands in A, or in its copy.
    struct Run {
        std::size_t first, count, in_a;
    };
    /// Some of the rows.
    struct Chunk {
        std::span<const std::uint32_t> rows;
        bool first;  // of all rows
        FetchAhead next;
        std::array<Run, chunk> runs;
        std::size_t run_count = 0;

        void find_runs(bool copied) {
            run_count = 0;
            for (std::size_t r = 0; r < rows.size();) {
                Run& run = runs[run_count++];
                run = {rows[r], 0, copied ? r : rows[r]};
                while (r < rows.size() && rows[r] == run.first + run.count) ++run.count, ++r;
            }
        }
    };

    /// Copy a chunk of A, tile by tile: a tile's columns side by side, row after row, zeros beyond A's columns. So a
    /// tile reads from one place, and not a line of each row.
    template <class Isa>
    CHARRNN_INLINE static void copy_a(const View<const T>& a, const Chunk& at, T* to) {
        using H = Heights<Isa>;
        constexpr std::size_t bytes = std::bit_ceil(H::most * sizeof(T));  // one or two moves
        const H heights(a.cols);
        // So many tiles of either height whose last move stays within a row of A.
        const std::size_t room = a.cols - std::min(a.cols, bytes / sizeof(T) - 1);
        const std::size_t high = std::min(heights.higher, tiles_of(room, H::most));
        const std::size_t all = high < heights.higher
                                    ? high
                                    : high + tiles_of(room - std::min(room, high * H::most), H::most - 1);
        for (std::size_t r = 0; r < at.rows.size(); ++r) {
            const T* from = a.row(at.rows[r]);
            T* out = to;
            std::size_t i = 0;
            // What is too much, the next row overwrites.
            for (; i < high; ++i, out += H::step, from += H::most)
                std::memcpy(out + r * H::most, from, bytes);
            for (; i < all; ++i, out += H::step, from += H::most - 1)
                std::memcpy(out + r * (H::most - 1), from, bytes);
            for (const T* const end = a.row(at.rows[r]) + a.cols; i < heights.tiles; ++i, out += H::step)
                for (std::size_t j = 0; j < heights.of(i); ++j)
                    out[r * heights.of(i) + j] = from < end ? *from++ : T(0);
        }
    }

    /// Some of B's vectors: where those of row 0 begin, which they are, and where each stands from there, in a row of B and of C.
    template <std::size_t NV>
    struct Panel {
        const T* data;
        std::size_t v;
        simd::Offsets<NV> at;
    };

    /// A tile of C, and `next`, the one after it, into the nearest cache.
    template <std::size_t MR, std::size_t NV, class V>
    CHARRNN_INLINE void block(T* c, std::size_t ld, const T* next, const T* a, std::size_t a_ld,
                              const Panel<NV>& panel, Chunk& at) const {
        V acc[MR][NV];
        if (at.first)
            simd::clear_tile(acc);
        else
            simd::load_tile(acc, c, ld, panel.at);
        at.next.fetch();
        simd::fetch_rows<MR>(next, ld, panel.at);
        for (std::size_t i = 0; i < at.run_count; ++i) {
            const Run& run = at.runs[i];
            tile<MR, NV>(run.count, a + run.in_a * a_ld, 1, a_ld, panel.data + run.first * b.ld, b.ld, acc,
                         panel.at);
        }
        simd::store_tile(acc, c, ld, panel.at);
    }

    /// A term's columns of a panel in a chunk of rows. `a` is the copy of A's, or null: A itself is read.
    template <class Isa, std::size_t NV>
    CHARRNN_INLINE void tiles(const OuterTerm<T>& term, const T* a, const Panel<NV>& panel, Chunk& at) const {
        using V = typename Isa::template pack<T>;
        using H = Heights<Isa>;
        constexpr std::size_t most = H::most;
        const H heights(term.a.cols);
        T* c = term.c->at(0, panel.v);
        const std::size_t c_ld = term.c->ld();
        const bool copied = a != nullptr;
        if (!copied) a = term.a.data;
        for (std::size_t i = 0; i < heights.tiles; ++i) {
            T* const next = i + 1 < heights.tiles ? c + heights.of(i) * c_ld : c;
            if (i < heights.higher)
                block<most, NV, V>(c, c_ld, next, a, copied ? most : term.a.ld, panel, at);
            else
                block<most - 1, NV, V>(c, c_ld, next, a, copied ? most - 1 : term.a.ld, panel, at);
            a += copied ? H::step : heights.of(i);
            c = next;
        }
    }

    /// The vectors from `v` on, n of them, in a chunk of rows. `a` is the copy of A's, or null.
    template <class Isa>
    CHARRNN_INLINE void columns_of_panel(std::size_t v, std::size_t n, const T* a, Chunk& at) const {
        using V = typename Isa::template pack<T>;
        constexpr std::size_t most = simd::TileShape<Isa>::vectors;
        const simd::Offsets<most> there = simd::in_a_row<most, V>(n);
        const T* const data = b.data + v * V::size;
        if (sums != nullptr) {
            V s[1][most];
            simd::clear_tile(s);
            if (!at.first) simd::load_tile(s, sums + v * V::size, 0, there);
            for (const std::uint32_t r : at.rows) {
                CHARRNN_UNROLL
                for (std::size_t j = 0; j < most; ++j)
                    s[0][j] = s[0][j] + V::load(data + r * b.ld + there.at[j]);
            }
            simd::store_tile(s, sums + v * V::size, 0, there);
        }
        for (const OuterTerm<T>& term : terms) {
            const Range wanted = wanted_of(term.wanted, v, n, most);
            if (simd::tile_width(wanted.last - wanted.first, most) == most)
                tiles<Isa, most>(term, a, {data, v, there}, at);
            else if (wanted.last > wanted.first)
                tiles<Isa, most - 1>(term, a,
                                     {data + wanted.first * V::size, v + wanted.first,
                                      simd::in_a_row<most - 1, V>(wanted.last - wanted.first)},
                                     at);
            if (a != nullptr) a += Heights<Isa>(term.a.cols).tiles * Heights<Isa>::step;
        }
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
        using H = Heights<Isa>;
        constexpr std::size_t most = simd::TileShape<Isa>::vectors;
        std::size_t tiles = 0;
        bool cover_all = true;  // no tile reaches beyond A's columns
        for (const OuterTerm<T>& term : terms) {
            tiles += H(term.a.cols).tiles;
            cover_all = cover_all && term.a.cols >= H(term.a.cols).tiles * (H::most - 1);
        }
        const std::size_t vectors = share.last - share.first;
        // Four panels do not make up for the copy.
        T* const a = vectors <= 4 * most && cover_all ? nullptr : copies;
        Chunk at{{}, true, {}, {}};
        std::span<const std::uint32_t> left = rows;
        for (; at.first || !left.empty(); at.first = false) {
            at.rows = left.first(std::min(chunk, left.size()));
            left = left.subspan(at.rows.size());
            at.find_runs(a != nullptr);
            const std::span<const std::uint32_t> after = left.first(std::min(chunk, left.size()));
            at.next = {};
            at.next.add(b.columns(share.first * V::size, vectors * V::size), after);
            for (const OuterTerm<T>& term : terms) at.next.add(term.a, after);
            at.next.spread(tiles_of(vectors, most) * tiles);
            T* to = a;
            for (const OuterTerm<T>& term : terms) {
                if (a == nullptr) break;
                copy_a<Isa>(term.a, at, to);
                to += H(term.a.cols).tiles * H::step;
            }
            for (std::size_t v = share.first; v < share.last; v += most)
                columns_of_panel<Isa>(v, std::min(most, share.last - v), a, at);
        }
    }
};

}  // namespace detail

/// C = A^T B, the sum of outer products over the given rows, for each of the terms, and sums = the sums of B's columns where
/// not null; a share of C's vectors of columns, see outer_share. A (R, M), B (R, N), C (M, N).
template <class T, std::size_t Terms>
void matmul_outer(Simd level, const std::array<OuterTerm<T>, Terms>& terms, View<const T> b,
                  std::span<const std::uint32_t> rows, T* sums, Range share) {
    static_assert(Terms <= 2, "FetchAhead has room for B and two more");
    using Kernel = detail::OuterKernel<T>;
    const std::span<const OuterTerm<T>> all(terms);
    if constexpr (std::is_same_v<T, float>) {
        if (level == Simd::amx) {
            std::size_t depth = 0;
            for (const OuterTerm<T>& term : all) depth += term.a.cols;
            // Together, their columns of C would leave the second-level cache.
            const std::size_t at_once = depth > 512 ? 1 : Terms;
            for (std::size_t i = 0; i < Terms; i += at_once) {
                const auto some = all.subspan(i, at_once);
                detail::amx::run(
                    detail::OuterOnTiles{some, b, rows, i == 0 ? sums : nullptr, share,
                                         detail::amx::room(detail::OuterOnTiles::room_size(some, share))});
            }
            return;
        }
    }
    thread_local Buffer<T> copies;  // made once, and kept between windows
    if (const std::size_t size = Kernel::copies_size(all); copies.size() < size) copies.resize(size);
    simd::dispatch(level, Kernel{all, b, rows, sums, share, copies.data()});
}

}  // namespace charrnn
