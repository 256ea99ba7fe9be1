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

    // Rows in a chunk: the more, the less often C is read and written. So a tile streams its part of A and its panel of B from the
    // second-level cache or the third, which keep up.
    static constexpr std::size_t chunk = 256;
    // Bytes of a row of B that are copied at once: some lines, and whole panels.
    static constexpr std::size_t b_bytes = 256;

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

    /// Scalars for the copies of a chunk of the terms' A and of B.
    static std::size_t copies_size(std::span<const OuterTerm<T>> terms) {
        std::size_t size = chunk * b_bytes / sizeof(T);
        for (const OuterTerm<T>& term : terms)
            size += std::max({Heights<simd::Baseline>(term.a.cols).tiles * Heights<simd::Baseline>::step,
                              Heights<simd::Avx512>(term.a.cols).tiles * Heights<simd::Avx512>::step});
        return size;
    }

    /// Some of the rows.
    struct Chunk {
        std::span<const std::uint32_t> rows;
        bool first;         // of all rows
        FetchAhead next_a;  // of the next chunk
        FetchAhead next_b;  // what is copied next
    };
    /// Rows of a matrix A that follow each other: the first of them, and how many.
    struct Run {
        std::size_t first, count;
    };
    /// One of the matrices A in a chunk of rows, or its copy, from its first tile on.
    struct Side {
        const T* data;
        std::size_t ld;
        std::size_t step;  // from a tile's columns to the next, or 0: they follow each other
        std::array<Run, chunk> runs;
        std::size_t run_count = 0;

        /// A copy of the rows.
        CHARRNN_INLINE void set(const T* copy, std::size_t row_step, std::size_t tile_step,
                                std::size_t count) {
            data = copy, ld = row_step, step = tile_step;
            runs[0] = {0, count};
            run_count = 1;
        }
        /// These rows of A itself.
        CHARRNN_INLINE void set(const View<const T>& a, std::span<const std::uint32_t> of) {
            data = a.data, ld = a.ld, step = 0;
            run_count = 0;
            for (std::size_t r = 0; r < of.size();) {
                Run& run = runs[run_count++] = {of[r], 0};
                while (r < of.size() && of[r] == run.first + run.count) ++run.count, ++r;
            }
        }
    };

    /// Copy a chunk of A, tile by tile: a tile's columns side by side, row after row, zeros beyond A's columns. So a
    /// tile reads from one place, and not a line of each row. Rows stand as far apart in low tiles as in high ones.
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
                std::memcpy(out + r * H::most, from, bytes);
            for (const T* const end = a.row(at.rows[r]) + a.cols; i < heights.tiles; ++i, out += H::step)
                for (std::size_t j = 0; j < heights.of(i); ++j)
                    out[r * H::most + j] = from < end ? *from++ : T(0);
        }
    }

    /// Copy some vectors of a chunk of B, panel by panel, row after row, and add up their columns. So a tile reads its panel
    /// in the order of memory, and not a line of each row.
    template <class Isa>
    CHARRNN_INLINE void copy_b(const Chunk& at, Range vectors, T* to) const {
        using V = typename Isa::template pack<T>;
        const auto copy = [&]<std::size_t Rows>(std::size_t r) __attribute__((always_inline)) {
            const T* from[Rows];
            for (std::size_t i = 0; i < Rows; ++i) from[i] = b.row(at.rows[r + i]);
            for (std::size_t v = vectors.first; v < vectors.last; ++v) {
                T* const out = to + place<Isa>(v - vectors.first) + r * panel_size<Isa>;
                V s = V::all(0);
                if (sums != nullptr) s = V::load(sums + v * V::size);
                CHARRNN_UNROLL
                for (std::size_t i = 0; i < Rows; ++i) {
                    const V x = V::load(from[i] + v * V::size);
                    x.store(out + i * panel_size<Isa>);
                    s = s + x;
                }
                if (sums != nullptr) s.store(sums + v * V::size);
            }
        };
        if (sums != nullptr && at.first)
            std::fill(sums + vectors.first * V::size, sums + vectors.last * V::size, T(0));
        std::size_t r = 0;
        for (; r + 4 <= at.rows.size(); r += 4) copy.template operator()<4>(r);
        for (; r < at.rows.size(); ++r) copy.template operator()<1>(r);
    }
    /// Scalars in a row of a panel.
    template <class Isa>
    static constexpr std::size_t panel_size = simd::TileShape<Isa>::vectors* Isa::template pack<T>::size;
    /// So many vectors of B are copied at once.
    template <class Isa>
    static constexpr std::size_t at_once = b_bytes / static_cast<std::size_t>(Isa::bytes);
    /// Where the copy's vector i stands in its first row.
    template <class Isa>
    [[nodiscard]] CHARRNN_INLINE static std::size_t place(std::size_t i) {
        constexpr std::size_t most = simd::TileShape<Isa>::vectors;
        return i / most * (chunk * panel_size<Isa>)+i % most * (panel_size<Isa> / most);
    }

    /// Some of B's vectors that a term wants: where the first stands in the copy of B and in C, and from there each of them.
    template <std::size_t NV>
    struct Panel {
        const T* b;
        T* c;
        simd::Offsets<NV> in_b, in_c;
    };
    /// The i-th that the term wants, and those after it, of which `there` are there; the copy begins with vector `first`.
    template <class Isa, std::size_t NV>
    [[nodiscard]] CHARRNN_INLINE static Panel<NV> panel(const T* copy, std::size_t first,
                                                        const OuterTerm<T>& term, std::size_t i,
                                                        std::size_t there = NV) {
        const std::size_t v = term.wanted(i);
        Panel<NV> p{copy + place<Isa>(v - first), term.c->at(0, v), {}, {}};
        for (std::size_t j = 0; j < NV; ++j) {
            const std::size_t other = term.wanted(i + std::min(j, there - 1));
            p.in_b.at[j] = place<Isa>(other - first) - place<Isa>(v - first);
            p.in_c.at[j] = static_cast<std::size_t>(term.c->at(0, other) - p.c);
        }
        return p;
    }

    /// A tile of C in a chunk of rows. A function of its own: compiled among all that surrounds it, its loop would be short of
    /// registers for addresses.
    template <std::size_t MR, std::size_t NV>
    struct Tile {
        const Side& side;
        const Panel<NV>& panel;
        const T* a;
        T* c;
        T* next;  ///< the tile after it, which is fetched into the nearest cache
        std::size_t ld;
        Chunk& at;

        template <class Isa>
        CHARRNN_INLINE void operator()(Isa) const {
            using V = typename Isa::template pack<T>;
            V acc[MR][NV];
            if (at.first)
                simd::clear_tile(acc);
            else
                simd::load_tile(acc, c, ld, panel.in_c);
            at.next_a.fetch();
            at.next_b.fetch();
            simd::fetch_rows<MR>(next, ld, panel.in_c);
            const T* from = panel.b;
            for (std::size_t i = 0; i < side.run_count; ++i) {
                const Run& run = side.runs[i];
                tile(run.count, a + run.first * side.ld, 1, side.ld, from, panel_size<Isa>, acc, panel.in_b);
                from += run.count * panel_size<Isa>;
            }
            simd::store_tile(acc, c, ld, panel.in_c);
        }
    };
    /// What a panel makes in a chunk of rows.
    template <class Isa, std::size_t NV>
    CHARRNN_INLINE void tiles(const Side& side, const OuterTerm<T>& term, const Panel<NV>& panel,
                              Chunk& at) const {
        using H = Heights<Isa>;
        const H heights(term.a.cols);
        const std::size_t ld = term.c->ld();
        const T* a = side.data;
        T* c = panel.c;
        for (std::size_t i = 0; i < heights.tiles; ++i) {
            const std::size_t height = heights.of(i);
            T* const next = i + 1 < heights.tiles ? c + height * ld : c;
            if (height == H::most)
                simd::call<Isa>(Tile<H::most, NV>{side, panel, a, c, next, ld, at});
            else
                simd::call<Isa>(Tile<H::most - 1, NV>{side, panel, a, c, next, ld, at});
            a += side.step > 0 ? side.step : height;
            c = next;
        }
    }

    /// How many tiles all terms have in these vectors.
    template <class Isa>
    [[nodiscard]] CHARRNN_INLINE std::size_t tiles_of_terms(Range vectors) const {
        std::size_t all = 0;
        for (const OuterTerm<T>& term : terms)
            all += Heights<Isa>(term.a.cols).tiles *
                   tiles_of(term.wanted.before(vectors.last) - term.wanted.before(vectors.first),
                            simd::TileShape<Isa>::vectors);
        return all;
    }

    template <class Isa>
    CHARRNN_INLINE void operator()(Isa) const {
        using V = typename Isa::template pack<T>;
        using H = Heights<Isa>;
        constexpr std::size_t most = simd::TileShape<Isa>::vectors;
        bool cover_all = true;  // no tile reaches beyond A's columns
        for (const OuterTerm<T>& term : terms)
            cover_all = cover_all && term.a.cols >= H(term.a.cols).tiles * (H::most - 1);
        const std::size_t vectors = share.last - share.first;
        // Four panels do not make up for A's copy.
        const bool copied = vectors > 4 * most || !cover_all;
        std::array<Side, 2> sides;
        Chunk at{{}, true, {}, {}};
        std::span<const std::uint32_t> left = rows;
        for (; at.first || !left.empty(); at.first = false) {
            at.rows = left.first(std::min(chunk, left.size()));
            left = left.subspan(at.rows.size());
            const std::span<const std::uint32_t> after = left.first(std::min(chunk, left.size()));
            at.next_a = {};
            for (const OuterTerm<T>& term : terms) at.next_a.add(term.a, after);
            at.next_a.spread(tiles_of_terms<Isa>(share));
            T* to = copies;
            for (std::size_t i = 0; i < terms.size(); ++i) {
                const View<const T>& a = terms[i].a;
                if (!copied) {
                    sides[i].set(a, at.rows);
                    continue;
                }
                copy_a<Isa>(a, at, to);
                sides[i].set(to, H::most, H::step, at.rows.size());
                to += H(a.cols).tiles * H::step;
            }
            const auto some_from = [this](std::size_t v) {
                return Range{v, std::min(share.last, v + at_once<Isa>)};
            };
            for (Range of_b = some_from(share.first); of_b.first < share.last; of_b = some_from(of_b.last)) {
                copy_b<Isa>(at, of_b, to);
                const bool last_of_chunk = of_b.last == share.last;
                const Range next = some_from(last_of_chunk ? share.first : of_b.last);
                at.next_b = {};
                at.next_b.add(b.columns(next.first * V::size, (next.last - next.first) * V::size),
                              last_of_chunk ? after : at.rows);
                at.next_b.spread(tiles_of_terms<Isa>(of_b));
                for (std::size_t t = 0; t < terms.size(); ++t) {
                    const Stripes& wanted = terms[t].wanted;
                    const std::size_t last = wanted.before(of_b.last);
                    std::size_t i = wanted.before(of_b.first);
                    for (; i + most <= last; i += most)
                        tiles<Isa>(sides[t], terms[t], panel<Isa, most>(to, of_b.first, terms[t], i), at);
                    if (i < last)
                        tiles<Isa>(sides[t], terms[t],
                                   panel<Isa, most - 1>(to, of_b.first, terms[t], i, last - i), at);
                }
            }
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
