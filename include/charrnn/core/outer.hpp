#pragma once

#include <algorithm>
#include <array>
#include <cstddef>
#include <cstdint>
#include <span>
#include <type_traits>

#include <charrnn/core/buffer.hpp>
#include <charrnn/core/fetch_ahead.hpp>
#include <charrnn/core/matmul.hpp>
#include <charrnn/core/outer_copies.hpp>
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
    std::span<const OuterTerm<T>> terms;  // at most two: there are so many sides
    View<const T> b;
    std::span<const std::uint32_t> rows;  // of A and B
    T* sums;
    Range share;  // of the vectors of B's columns
    T* copies;    ///< room for OuterCopies::size() scalars

    using Copies = OuterCopies<T>;
    using Run = typename Copies::Run;
    using Side = typename Copies::Side;
    template <class Isa>
    using Heights = typename Copies::template Heights<Isa>;

    /// Some of the rows.
    struct Chunk {
        std::span<const std::uint32_t> rows;
        bool first;         // of all rows
        FetchAhead next_a;  // of the next chunk
        FetchAhead next_b;  // what is copied next
    };
    /// Some of B's vectors that a term wants: where the first stands in the copy of B and in C, and from there each of them.
    template <std::size_t NV>
    struct Panel {
        const T* b;
        T* c;
        simd::Offsets<NV> in_b, in_c;  // the first is 0
    };
    /// The i-th that the term wants, and those after it, of which `there` are there; the copy begins with vector `first`.
    template <class Isa, std::size_t NV>
    [[nodiscard]] CHARRNN_INLINE static Panel<NV> panel(const T* copy, std::size_t first,
                                                        const OuterTerm<T>& term, std::size_t i,
                                                        std::size_t there = NV) {
        const std::size_t v = term.wanted(i);
        Panel<NV> p{copy + Copies::template place<Isa>(v - first), term.c->at(0, v), {}, {}};
        for (std::size_t j = 0; j < NV; ++j) {
            const std::size_t other = term.wanted(i + std::min(j, there - 1));
            p.in_b.at[j] =
                Copies::template place<Isa>(other - first) - Copies::template place<Isa>(v - first);
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
            simd::Offsets<NV> in_b = panel.in_b;
            in_b.at[0] = 0;  // as it is, but so the loop needs no register for it
            for (std::size_t i = 0; i < side.run_count; ++i) {
                const Run& run = side.runs[i];
                tile(run.count, a + run.first * side.ld, 1, side.ld, from, Copies::template panel_size<Isa>,
                     acc, in_b);
                from += run.count * Copies::template panel_size<Isa>;
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
            at.rows = left.first(std::min(Copies::chunk, left.size()));
            left = left.subspan(at.rows.size());
            const std::span<const std::uint32_t> after = left.first(std::min(Copies::chunk, left.size()));
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
                Copies::template copy_a<Isa>(a, at.rows, to);
                sides[i].set(to, H::most, H::step, at.rows.size());
                to += H(a.cols).tiles * H::step;
            }
            const auto some_from = [this](std::size_t v) {
                return Range{v, std::min(share.last, v + Copies::template at_once<Isa>)};
            };
            for (Range of_b = some_from(share.first); of_b.first < share.last; of_b = some_from(of_b.last)) {
                Copies::template copy_b<Isa>(b, at.rows, of_b, sums, at.first, to);
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
    static_assert(Terms <= 2, "OuterKernel has two sides");
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
    if (const std::size_t size = detail::OuterCopies<T>::size(all); copies.size() < size) copies.resize(size);
    simd::dispatch(level, Kernel{all, b, rows, sums, share, copies.data()});
}

}  // namespace charrnn
