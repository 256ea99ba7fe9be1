#pragma once

#include <algorithm>
#include <array>
#include <bit>
#include <cstddef>
#include <cstdint>
#include <cstring>
#include <span>

#include <charrnn/core/outer_term.hpp>
#include <charrnn/core/simd.hpp>
#include <charrnn/core/tile.hpp>
#include <charrnn/core/view.hpp>

/// @file
/// The factors of an outer product as its tiles read them: some rows of A and B, copied in the order in which they pass by.

namespace charrnn::detail {

/// How rows are copied for OuterKernel, and what is where in the copies.
template <class T>
struct OuterCopies {
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
    static std::size_t size(std::span<const OuterTerm<T>> terms) {
        std::size_t count = chunk * b_bytes / sizeof(T);
        for (const OuterTerm<T>& term : terms)
            count += std::max({Heights<simd::Baseline>(term.a.cols).tiles * Heights<simd::Baseline>::step,
                               Heights<simd::Avx512>(term.a.cols).tiles * Heights<simd::Avx512>::step});
        return count;
    }

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
    CHARRNN_INLINE static void copy_a(const View<const T>& a, std::span<const std::uint32_t> rows, T* to) {
        using H = Heights<Isa>;
        constexpr std::size_t bytes = std::bit_ceil(H::most * sizeof(T));  // one or two moves
        const H heights(a.cols);
        // So many tiles of either height whose last move stays within a row of A.
        const std::size_t room = a.cols - std::min(a.cols, bytes / sizeof(T) - 1);
        const std::size_t high = std::min(heights.higher, tiles_of(room, H::most));
        const std::size_t all = high < heights.higher
                                    ? high
                                    : high + tiles_of(room - std::min(room, high * H::most), H::most - 1);
        for (std::size_t r = 0; r < rows.size(); ++r) {
            const T* from = a.row(rows[r]);
            T* out = to;
            std::size_t i = 0;
            // What is too much, the next row overwrites.
            for (; i < high; ++i, out += H::step, from += H::most)
                std::memcpy(out + r * H::most, from, bytes);
            for (; i < all; ++i, out += H::step, from += H::most - 1)
                std::memcpy(out + r * H::most, from, bytes);
            for (const T* const end = a.row(rows[r]) + a.cols; i < heights.tiles; ++i, out += H::step)
                for (std::size_t j = 0; j < heights.of(i); ++j)
                    out[r * H::most + j] = from < end ? *from++ : T(0);
        }
    }

    /// Copy some vectors of a chunk of B, panel by panel, row after row. So a tile reads its panel in the order of memory, and
    /// not a line of each row. Their columns are added to `sums`, from zero in the `first` chunk; null: not.
    template <class Isa>
    CHARRNN_INLINE static void copy_b(const View<const T>& b, std::span<const std::uint32_t> rows,
                                      Range vectors, T* sums, bool first, T* to) {
        using V = typename Isa::template pack<T>;
        const auto copy = [&]<std::size_t Rows>(std::size_t r) __attribute__((always_inline)) {
            const T* from[Rows];
            for (std::size_t i = 0; i < Rows; ++i) from[i] = b.row(rows[r + i]);
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
        if (sums != nullptr && first)
            std::fill(sums + vectors.first * V::size, sums + vectors.last * V::size, T(0));
        std::size_t r = 0;
        for (; r + 4 <= rows.size(); r += 4) copy.template operator()<4>(r);
        for (; r < rows.size(); ++r) copy.template operator()<1>(r);
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
};

}  // namespace charrnn::detail
