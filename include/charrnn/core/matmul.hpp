#pragma once

#include <algorithm>
#include <cstddef>
#include <type_traits>

#include <charrnn/core/fetch_ahead.hpp>
#include <charrnn/core/matmul_on_tiles.hpp>
#include <charrnn/core/packed_matrix.hpp>
#include <charrnn/core/simd.hpp>
#include <charrnn/core/tile.hpp>
#include <charrnn/core/view.hpp>

/// @file
/// Products with packed weights, on one thread each.
///
/// No sum depends on how rows are grouped or output is shared out: every element adds over the inner extent in
/// ascending order. Rows must have room for whole vectors (see row_stride).

namespace charrnn {

namespace detail {

template <class T>
struct MatmulKernel {
    Rows<const T> a;
    const PackedMatrix<T>* b;
    Rows<T> c;
    const T* bias;
    bool accumulate;
    Range vectors;          // of B's columns
    FetchAhead* meanwhile;  // or null

    // How much of the inner extent is met at once. A panel so deep stays in the second-level cache, from where it streams as
    // fast as tiles take it.
    static constexpr std::size_t chunk_depth = 512;

    /// A part of the inner extent: rows `k` of B, and the scalars of A that they meet, by stretches.
    struct Inner {
        Range k;
        std::size_t from, stretch, step;
    };
    [[nodiscard]] Inner inner(Range k) const {
        return {k, b->from(k.first), b->stretch(), b->stretch() + b->gap()};
    }
    /// How many tiles cover the rows.
    template <class Isa>
    [[nodiscard]] std::size_t tiles_in_all() const {
        return a.steps * tiles_of(a.count, simd::TileShape<Isa>::rows);
    }

    /// What sums begin with: rows `ld` apart, or one row for all.
    template <std::size_t NV>
    struct Start {
        const T* row;
        std::size_t ld;
        simd::Offsets<NV> at;
    };
    /// What those of block t begin with, from its first row on.
    template <std::size_t NV>
    [[nodiscard]] CHARRNN_INLINE Start<NV> start(std::size_t t, const simd::Offsets<NV>& to,
                                                 const Inner& inner) const {
        static constexpr T zeros[64 / sizeof(T)] = {};
        if (accumulate || inner.k.first > 0) return {c.data + t * c.step_size, c.ld, to};
        if (bias != nullptr) return {bias, 0, to};
        return {zeros, 0, {}};
    }

    /// `count` tiles of `Panels` panels of `Width` vectors each, from row m of block t on.
    template <class Isa, std::size_t MR, std::size_t Width, std::size_t Panels>
    CHARRNN_INLINE void tiles(std::size_t t, std::size_t m, std::size_t count, std::size_t v,
                              const simd::Offsets<Width * Panels>& to, const Inner& inner,
                              FetchAhead& next) const {
        using V = typename Isa::template pack<T>;
        constexpr std::size_t NV = Width * Panels;
        const Start<NV> begin = start<NV>(t, to, inner);
        const T* sums = begin.row + m * begin.ld;
        T* out = c.data + t * c.step_size + m * c.ld;
        const T* left = a.data + t * a.step_size + m * a.ld + inner.from;
        const T* const right = b->at(v) + inner.k.first * Width * V::size;
        const simd::InPanels<Width, V> panels{Width * V::size * b->depth()};
        const T* const end = out + (a.count - m) * c.ld;
        for (; count > 0; --count, sums += MR * begin.ld, out += MR * c.ld, left += MR * a.ld) {
            V acc[MR][NV];
            simd::load_tile(acc, sums, begin.ld, begin.at);
            simd::NextTile<Isa, MR, NV, T> after(out + MR * c.ld, c.ld, end);
            const T* from = left;
            const T* rows = right;
            for (std::size_t k = inner.k.last - inner.k.first; k > 0;) {
                next.fetch();
                if (meanwhile != nullptr) meanwhile->fetch();
                after.fetch(to);
                const std::size_t depth = std::min(inner.stretch, k);
                tile(depth, from, a.ld, 1, rows, Width * V::size, acc, panels);
                from += inner.step;
                rows += depth * Width * V::size;
                k -= depth;
            }
            simd::store_tile(acc, out, c.ld, to);
        }
    }

    /// Rows `k` of the panels at vector v: more than one for one row only. Rows `after` are those of the first panel that come when
    /// all are done.
    template <class Isa, std::size_t Width, std::size_t Panels = 1>
    CHARRNN_INLINE void panel(std::size_t v, Range k, Range after) const {
        constexpr std::size_t NV = Width * Panels;
        constexpr std::size_t height = Panels > 1 ? 1 : simd::TileShape<Isa>::rows;
        FetchAhead next;
        const Inner in = inner(k);
        if (v + NV < vectors.last)
            b->fetch_ahead(next, v + NV, k.first, k.last, tiles_in_all<Isa>());
        else
            b->fetch_ahead(next, vectors.first, after.first, after.last, tiles_in_all<Isa>());
        simd::Offsets<NV> to;
        for (std::size_t j = 0; j < NV; ++j) to.at[j] = b->to(std::min(v + j, b->vectors() - 1));
        for (std::size_t t = 0; t < a.steps; ++t)
            simd::for_each_height<height>(
                a.count, [&]<std::size_t MR>(std::size_t m, std::size_t count)
                             __attribute__((always_inline)) {
                                 tiles<Isa, MR, Width, Panels>(t, m, count, v, to, in, next);
                             });
    }

    template <class Isa>
    CHARRNN_INLINE void operator()(Isa) const {
        constexpr std::size_t most = simd::TileShape<Isa>::vectors;
        const std::size_t depth = b->depth();
        // No stretch with a gap behind it is cut.
        const std::size_t chunk = round_up(chunk_depth, b->gap() > 0 ? b->stretch() : 1);
        const auto chunk_from = [&](std::size_t k0) {
            return Range{k0, depth - k0 < chunk + chunk / 2 ? depth : k0 + chunk};
        };
        Range k = chunk_from(0);
        constexpr std::size_t together = simd::panels_of_one_row(most);
        const bool one_row = a.steps * a.count == 1;
        if (meanwhile != nullptr)
            meanwhile->spread(tiles_of(vectors.last - vectors.first, one_row ? together * most : most) *
                              b->stops(tiles_in_all<Isa>(), depth));
        for (;;) {
            const bool last = k.last == depth;
            const Range after = chunk_from(last ? 0 : k.last);
            std::size_t v = vectors.first;
            if (one_row)
                for (; v + together * most <= vectors.last; v += together * most)
                    panel<Isa, most, together>(v, k, after);
            for (; v < vectors.last; v += most) {
                if (vectors.last - v >= most)
                    panel<Isa, most>(v, k, after);
                else
                    panel<Isa, most - 1>(v, k, after);
            }
            if (last) return;
            k = after;
        }
    }
};

}  // namespace detail

/// How many rows stay in the second-level cache while all panels pass by: what was fastest.
inline std::size_t matmul_rows(Simd level) { return level == Simd::amx ? 100 : 128; }

/// C = A B + bias, or C += A B where `accumulate`. A (M, K), B (K, columns) packed with matmul_panel, bias (one row
/// of C) or null. The blocks of `a` and `c` correspond. On vectors, `meanwhile`, if any, is fetched during the product.
template <class T>
void matmul(Rows<const T> a, const PackedMatrix<T>& b, Rows<T> c, const T* bias = nullptr,
            bool accumulate = false, detail::FetchAhead* meanwhile = nullptr) {
    const std::size_t block = matmul_rows(b.level());
    const auto run = [&](const Rows<const T>& from, const Rows<T>& to) {
        simd::dispatch(b.level(),
                       detail::MatmulKernel<T>{from, &b, to, bias, accumulate, {0, b.vectors()}, meanwhile});
    };
    if (a.count == 0) return;
    if constexpr (std::is_same_v<T, float>) {
        if (b.on_tiles()) return detail::matmul_on_tiles(a, b, c, bias, accumulate);
    }
    if (a.steps > 1) {
        const std::size_t steps = std::max<std::size_t>(1, block / a.count);
        for (std::size_t t = 0; t < a.steps; t += steps) run(a.part(t, steps), c.part(t, steps));
    } else {
        const std::size_t blocks = (a.count + block - 1) / block;
        for (std::size_t i = 0; i < blocks; ++i) {
            const std::size_t first = a.count * i / blocks;
            const std::size_t count = a.count * (i + 1) / blocks - first;
            run({a.data + first * a.ld, a.ld, count}, {c.data + first * c.ld, c.ld, count});
        }
    }
}

/// c = a B + bias for one row, and of that some vectors: whole panels. Not for a B that is packed for the matrix unit.
template <class T>
void matmul_share(const T* a, const PackedMatrix<T>& b, T* c, const T* bias, Range vectors) {
    simd::dispatch(b.level(),
                   detail::MatmulKernel<T>{{a, 0, 1}, &b, {c, 0, 1}, bias, false, vectors, nullptr});
}

}  // namespace charrnn
