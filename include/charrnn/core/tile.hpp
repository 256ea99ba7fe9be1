#pragma once

#include <cstddef>

#include <charrnn/core/simd.hpp>

/// @file
/// The register tile: the one place where products are made.

namespace charrnn::simd {

/// The tile that fills the registers: `rows` rows by `vectors` vectors of columns. On x86 the baseline is for
/// processors of before 2013, and kept small, since every height is compiled.
template <class Isa>
struct TileShape {
#if defined(__x86_64__)
    static constexpr std::size_t rows = Isa::level == Simd::baseline ? 2 : 6;  ///< rows of a tile
#else
    static constexpr std::size_t rows = 6;
#endif
    static constexpr std::size_t vectors = Isa::registers >= 32 ? 4 : 2;  ///< vectors in a row of a tile
};

/// How many vectors wide the tile is for `left` of them: as many as the registers hold, or one less where there are
/// fewer. Every width is compiled at every height, so these two have to do.
constexpr std::size_t tile_width(std::size_t left, std::size_t most) {
    return left >= most ? most : most - 1;
}

/// How many panels a tile of one row takes at once: as many sums as make a product and a sum wait for their inputs rather than
/// for the sum before.
constexpr std::size_t panels_of_one_row(std::size_t vectors) {
    return vectors == 0 || vectors > 8 ? 1 : 8 / vectors;
}

/// Where the vectors of a tile's row stand, in scalars. Vectors of a tile that are not there stand where the last one
/// does: what is loaded for them is of no account, and what is stored for them is overwritten, as the last are stored
/// first.
template <std::size_t NV>
struct Offsets {
    std::size_t at[NV];  ///< of each vector
    /// Of vector j.
    CHARRNN_INLINE constexpr std::size_t operator()(std::size_t j) const { return at[j]; }
};

/// Where vector j of some panels of `Width` vectors each stands, in scalars; each panel begins `step` scalars after the one before.
template <std::size_t Width, class V>
struct InPanels {
    std::size_t step;  ///< from a panel to the next
    /// Of vector j.
    CHARRNN_INLINE constexpr std::size_t operator()(std::size_t j) const {
        return j / Width * step + j % Width * V::size;
    }
};

/// One k of tile: acc[i][j] += a[i * row_step] * b[columns(j)].
template <std::size_t MR, std::size_t NV, class V, class T, class Columns>
CHARRNN_INLINE void tile_step(const T* a, std::size_t row_step, const T* b, V (&acc)[MR][NV],
                              const Columns& columns) {
    if constexpr (NV > MR) {  // fewer registers: a vector of B at a time
        V s[MR];
        CHARRNN_UNROLL
        for (std::size_t i = 0; i < MR; ++i) s[i] = V::repeat(a + i * row_step);
        CHARRNN_UNROLL
        for (std::size_t j = 0; j < NV; ++j) {
            const V bv = V::load(b + columns(j));
            CHARRNN_UNROLL
            for (std::size_t i = 0; i < MR; ++i) acc[i][j] = fma(s[i], bv, acc[i][j]);
        }
    } else {
        V bv[NV];
        CHARRNN_UNROLL
        for (std::size_t j = 0; j < NV; ++j) bv[j] = V::load(b + columns(j));
        CHARRNN_UNROLL
        for (std::size_t i = 0; i < MR; ++i) {
            const V s = V::all(a[i * row_step]);
            CHARRNN_UNROLL
            for (std::size_t j = 0; j < NV; ++j) acc[i][j] = fma(s, bv[j], acc[i][j]);
        }
    }
}

/// acc[i][j] += sum over k of a[i * row_step + k * depth_step] * b[k * b_step + columns(j)], k ascending.
/// Every element is summed in the same order whatever the tile's height, so a product does not depend on how
/// its rows are grouped.
template <std::size_t MR, std::size_t NV, class V, class T, class Columns = InPanels<NV, V>>
CHARRNN_INLINE void tile(std::size_t depth, const T* a, std::size_t row_step, std::size_t depth_step,
                         const T* b, std::size_t b_step, V (&acc)[MR][NV], const Columns& columns = {0}) {
    // Counting and stepping are instructions, too, and where others use the same core they count as much as products.
    CHARRNN_UNROLL_BY_4
    for (std::size_t k = 0; k < depth; ++k) {
        tile_step(a, row_step, b, acc, columns);
        a += depth_step;
        b += b_step;
        // Loads of the next k do not move up here: there are no registers for them.
        __asm__ volatile("" ::: "memory");
    }
}

/// acc[i][j] = 0
template <std::size_t MR, std::size_t NV, class V>
CHARRNN_INLINE void clear_tile(V (&acc)[MR][NV]) {
    CHARRNN_UNROLL
    for (std::size_t i = 0; i < MR; ++i) {
        CHARRNN_UNROLL
        for (std::size_t j = 0; j < NV; ++j) acc[i][j] = V::all(0);
    }
}
/// acc[i][j] = the vector of row i at offset j
template <std::size_t MR, std::size_t NV, class V, class T>
CHARRNN_INLINE void load_tile(V (&acc)[MR][NV], const T* from, std::size_t ld, const Offsets<NV>& offsets) {
    CHARRNN_UNROLL
    for (std::size_t i = 0; i < MR; ++i, from += ld) {
        CHARRNN_UNROLL
        for (std::size_t j = 0; j < NV; ++j) acc[i][j] = V::load(from + offsets.at[j]);
    }
}
/// Fetch the lines of some rows of a tile that is written soon into the nearest cache, since a store waits for its line. A
/// row beyond the last does no harm.
template <std::size_t Rows, std::size_t NV, class T>
CHARRNN_INLINE void fetch_rows(const T* to, std::size_t ld, const Offsets<NV>& offsets) {
    CHARRNN_UNROLL
    for (std::size_t i = 0; i < Rows; ++i, to += ld) {
        CHARRNN_UNROLL
        for (std::size_t j = 0; j < NV; ++j) __builtin_prefetch(to + offsets.at[j], 1, 3);
    }
}
/// The rows of a tile of C that comes next, fetched some at a time while the one before it is at work: all at once, they would
/// be in the way of what that waits for, as they may come from afar.
template <class Isa, std::size_t MR, std::size_t NV, class T>
struct NextTile {
    /// So many rows at a time: with AVX2, so that two stops do for a whole tile.
    static constexpr std::size_t at_once = Isa::registers >= 32 ? 2 : 3;
    const T* row;       ///< the first that is not fetched yet
    std::size_t ld;     ///< from one row to the next
    std::size_t times;  ///< how many times some are left

    /// The tile that begins with `row_`, where that stands before `end`.
    CHARRNN_INLINE NextTile(const T* row_, std::size_t ld_, const T* end)
        : row(row_), ld(ld_), times(row_ < end ? (MR + at_once - 1) / at_once : 0) {}

    /// Fetch the next ones.
    CHARRNN_INLINE void fetch(const Offsets<NV>& offsets) {
        if (times == 0) return;
        fetch_rows<at_once>(row, ld, offsets);
        row += at_once * ld;
        --times;
    }
};
/// the vector of row i at offset j = acc[i][j], the last j first
template <std::size_t MR, std::size_t NV, class V, class T>
CHARRNN_INLINE void store_tile(const V (&acc)[MR][NV], T* to, std::size_t ld, const Offsets<NV>& offsets) {
    CHARRNN_UNROLL
    for (std::size_t i = 0; i < MR; ++i, to += ld) {
        CHARRNN_UNROLL
        for (std::size_t j = 1; j <= NV; ++j) acc[i][NV - j].store(to + offsets.at[NV - j]);
    }
}

/// Call the operator() of f with the height of tiles as template argument, their first row and how many follow each other, so
/// that tiles of nearly equal height, at most Max, cover n rows. Two calls at most: what tiles share is made ready once.
template <std::size_t Max, class F>
CHARRNN_INLINE void for_each_height(std::size_t n, const F& f) {
    if (n == 0) return;
    const std::size_t tiles = (n + Max - 1) / Max;
    const std::size_t higher = n % tiles;  // so many tiles are one row higher
    std::size_t first = 0, height = n / tiles + 1, count = higher;
    for (int i = 0; i < 2; ++i, first += height * count, --height, count = tiles - higher) {
        if (count == 0) continue;
        switch (height) {
            case 1:
                f.template operator()<1>(first, count);
                break;
            case 2:
                if constexpr (Max >= 2) f.template operator()<2>(first, count);
                break;
            case 3:
                if constexpr (Max >= 3) f.template operator()<3>(first, count);
                break;
            case 4:
                if constexpr (Max >= 4) f.template operator()<4>(first, count);
                break;
            case 5:
                if constexpr (Max >= 5) f.template operator()<5>(first, count);
                break;
            case 6:
                if constexpr (Max >= 6) f.template operator()<6>(first, count);
                break;
            default:
                break;
        }
    }
}

}  // namespace charrnn::simd

namespace charrnn {

/// How many vectors make a panel for matmul and matmul_outer: a tile's row.
constexpr std::size_t matmul_panel(Simd level) { return level >= Simd::avx512 ? 4 : 2; }
/// So many rows of B a tile takes before it stops to fetch something: some 400 cycles.
constexpr std::size_t matmul_stretch(Simd level) { return level >= Simd::avx512 ? 32 : 64; }

}  // namespace charrnn
