#pragma once

#include <algorithm>
#include <cstddef>
#include <cstring>
#include <type_traits>
#include <vector>

#include <charrnn/core/amx.hpp>
#include <charrnn/core/buffer.hpp>
#include <charrnn/core/fetch_ahead.hpp>
#include <charrnn/core/simd.hpp>
#include <charrnn/core/tile.hpp>
#include <charrnn/core/turn.hpp>
#include <charrnn/core/view.hpp>

/// @file
/// Weights as the products read them, and the rows that they meet.

namespace charrnn {

/// The instruction set for a plan's products. The matrix unit makes those of training on a strip of lanes or more: fewer
/// are faster without it, and what only goes forward gives the same bits for any number of lanes.
template <class T>
Simd product_level(const Plan& plan) {
    const bool pays = std::is_same_v<T, float> && plan.backward && plan.extent.lanes >= detail::amx::strip;
    return pays ? simd::level() : std::min(simd::level(), Simd::avx512);
}

/// Where the columns of one vector come from: `count` columns from `first`; the rest of the vector is zero.
struct ColumnRun {
    std::size_t first = 0;  ///< the first column
    std::size_t count = 0;  ///< how many
};

/// Copy `count` scalars, at most a vector of the widest kind; usually a vector.
template <class T>
inline void copy_run(const T* from, std::size_t count, T* to) {
    if (count == 64 / sizeof(T))
        std::memcpy(to, from, 64);
    else if (count == 32 / sizeof(T))
        std::memcpy(to, from, 32);
    else
        std::copy_n(from, count, to);
}

/// Some of a row's vectors: of each `period` the `count` from `first` on. If nothing is said, all.
struct Stripes {
    std::size_t first = 0;   ///< in a period
    std::size_t count = 1;   ///< of a period
    std::size_t period = 1;  ///< vectors

    /// Whether nothing is left out.
    [[nodiscard]] constexpr bool all() const { return count == period; }
    /// The i-th of them.
    [[nodiscard]] constexpr std::size_t operator()(std::size_t i) const {
        return i / count * period + first + i % count;
    }
    /// How many of them stand before vector v of the row.
    [[nodiscard]] constexpr std::size_t before(std::size_t v) const {
        const std::size_t in_period = v % period;
        return v / period * count + std::min(count, in_period - std::min(in_period, first));
    }
};

/// n columns in their own order, cut into vectors of `unit`.
inline std::vector<ColumnRun> plain_columns(std::size_t n, std::size_t unit) {
    std::vector<ColumnRun> runs;
    for (std::size_t c = 0; c < n; c += unit) runs.push_back({c, std::min(unit, n - c)});
    return runs;
}

namespace detail {

/// A strip of B from some columns of a matrix.
struct PackColumns {
    View<const float> source;
    std::size_t depth;
    ColumnRun columns;
    float* to;

    template <class Isa>
    CHARRNN_INLINE void operator()(Isa) const {
        const auto row = [&](std::size_t k) __attribute__((always_inline)) {
            return source.row(k) + columns.first;
        };
        amx::cut_columns(row, depth, columns.count, to);
    }
};

/// A vector of columns of B from some rows of its transpose, whose columns are taken in another order, the first `depth` of them:
/// rows of B stand `step` scalars apart.
template <class T>
struct PackRows {
    View<const T> source;
    const std::vector<ColumnRun>& order;
    ColumnRun rows;
    std::size_t depth;
    T* to;
    std::size_t step;

    template <class Isa>
    CHARRNN_INLINE void operator()(Isa) const {
        using V = typename Isa::template pack<T>;
        T* out = to;
        std::size_t left = depth;
        for (const ColumnRun& from : order) {
            V x[V::size];  // one line of each row, all waited for together
            CHARRNN_UNROLL
            for (std::size_t i = 0; i < V::size; ++i) {
                const bool there = i < rows.count;
                simd::load_some(source.row(rows.first + (there ? i : 0)) + from.first, there ? from.count : 0,
                                x[i]);
            }
            simd::turn(x);
            if (left >= V::size) {
                CHARRNN_UNROLL
                for (std::size_t i = 0; i < V::size; ++i, out += step) x[i].store(out);
                left -= V::size;
            } else {  // the last ones
                CHARRNN_UNROLL
                for (std::size_t i = 0; i < V::size; ++i, out += step)
                    if (i < left) x[i].store(out);
                return;
            }
        }
    }
};

/// A strip of B from the same.
struct PackRowsOnTiles {
    View<const float> source;
    const std::vector<ColumnRun>& order;
    ColumnRun rows;
    float* to;

    template <class Isa>
    CHARRNN_INLINE void operator()(Isa) const {
        float* out = to;
        for (std::size_t k = 0; k < order.size(); k += 2, out += amx::step_size) {
            const auto load = [&](std::size_t h, std::size_t i, amx::Vector & x)
                __attribute__((always_inline)) {
                const bool there = k + h < order.size() && i < rows.count;
                const ColumnRun& from = order[there ? k + h : k];
                simd::load_some(source.row(rows.first + (there ? i : 0)) + from.first, there ? from.count : 0,
                                x);
            };
            amx::cut_turned(load, amx::line, out);
        }
    }
};

}  // namespace detail

/// A matrix of weights (K, columns) as the kernels read it: panels of a few vectors of columns, in a panel row k
/// after row k; the last panel is filled with zeros as far as its tiles reach. For the matrix unit: strips, see amx.hpp.
/// The columns may be taken in another order than the canonical one, and padded with zeros. In a product C = A B it may
/// meet some vectors of A's rows only, and make some of C's.
template <class T>
class PackedMatrix {
  public:
    PackedMatrix() = default;
    /// Room for `depth` rows of the given columns, `panel` vectors to a panel; `from`: what its rows meet in a row of
    /// A (if not all: whole vectors), `to`: what its columns make in a row of C.
    PackedMatrix(Simd level, std::size_t depth, std::vector<ColumnRun> columns, std::size_t panel,
                 Stripes from = {}, Stripes to = {})
        : level_(level),
          unit_(simd::width(level) / sizeof(T)),
          depth_(depth),
          panel_(std::max<std::size_t>(1, panel)),
          from_(from),
          to_(to),
          columns_(std::move(columns)),
          data_(on_tiles() ? vectors() * detail::amx::strip_size(depth) : depth * width() * unit_) {}

    /// The instruction set that it is packed for.
    [[nodiscard]] Simd level() const { return level_; }
    /// Whether it is packed for the matrix unit.
    [[nodiscard]] bool on_tiles() const { return std::is_same_v<T, float> && level_ == Simd::amx; }
    [[nodiscard]] std::size_t unit() const { return unit_; }    ///< scalars in a vector
    [[nodiscard]] std::size_t depth() const { return depth_; }  ///< K
    [[nodiscard]] std::size_t panel() const { return panel_; }  ///< vectors in a panel
    /// Vectors in a row.
    [[nodiscard]] std::size_t vectors() const { return columns_.size(); }
    /// A part of them: whole panels.
    [[nodiscard]] Range share(Part part) const {
        const std::size_t panels = tiles_of(vectors(), panel_);
        return {std::min(vectors(), part.begin(panels) * panel_),
                std::min(vectors(), part.end(panels) * panel_)};
    }
    /// Columns, with those that fill the last vector.
    [[nodiscard]] const std::vector<ColumnRun>& columns() const { return columns_; }
    /// So many of its rows a tile takes before it stops to fetch something: they meet scalars of A side by side.
    [[nodiscard]] std::size_t stretch() const {
        return from_.all() ? matmul_stretch(level_) : from_.count * unit_;
    }
    /// How many scalars of A lie between those of two stretches.
    [[nodiscard]] std::size_t gap() const { return (from_.period - from_.count) * unit_; }
    /// The scalar of A's rows that row k meets, where a stretch begins.
    [[nodiscard]] std::size_t from(std::size_t k) const {
        return from_.first * unit_ + k + k / stretch() * gap();
    }
    /// The scalar of C's rows where the product with vector v goes.
    [[nodiscard]] std::size_t to(std::size_t v) const { return to_(v) * unit_; }
    /// Where the panel that begins at vector v (a multiple of panel()) stands.
    [[nodiscard]] const T* at(std::size_t v) const { return data_.data() + v * unit_ * depth_; }
    /// Whether it may not stay in the second-level cache.
    [[nodiscard]] bool is_large() const { return data_.size() * sizeof(T) > std::size_t{1} << 20U; }
    /// Where the strip of vector v stands, if packed for the matrix unit.
    [[nodiscard]] const T* strip(std::size_t v) const {
        return data_.data() + v * detail::amx::strip_size(depth_);
    }

    /// How often so many tiles stop to fetch in `depth` rows.
    [[nodiscard]] std::size_t stops(std::size_t tiles, std::size_t depth) const {
        return tiles * tiles_of(depth, stretch());
    }
    /// Let `next` fetch rows [k0, k1) of the panel that begins at vector v while so many tiles are at work on as many rows, if
    /// the matrix is too large to stay in the second-level cache. One tile meets each weight once, in the order in which they
    /// stand, which the processor fetches by itself, and better.
    void fetch_ahead(detail::FetchAhead& next, std::size_t v, std::size_t k0, std::size_t k1,
                     std::size_t tiles) const {
        if (!is_large() || tiles < 2) return;
        const std::size_t row = row_of(v) * unit_;
        next.add(View<const T>(at(v) + k0 * row, 1, (k1 - k0) * row));
        next.spread(stops(tiles, k1 - k0));
    }

    /// Take over `source` (K, columns), or this part's share of its columns.
    void pack(View<const T> source, Part part = {}) {
        if constexpr (std::is_same_v<T, float>) {
            if (on_tiles())
                return for_each_vector(part, [&](std::size_t v) {
                    detail::amx::run(detail::PackColumns{source, depth_, columns_[v], strip_at(v)});
                });
        }
        // A panel's part of each row at once: its vectors' columns mostly stand side by side.
        const std::size_t last = depth_ == 0 ? 0 : part.end(columns_.size());
        for (std::size_t v = part.begin(columns_.size()), end = 0; v < last; v = end) {
            end = std::min(last, (v / panel_ + 1) * panel_);
            T* out = column_at(v);
            for (std::size_t k = 0; k < depth_; ++k, out += step_of(v)) {
                T* to = out;
                for (std::size_t i = v; i < end; ++i, to += unit_) {
                    copy_run(source.row(k) + columns_[i].first, columns_[i].count, to);
                    for (std::size_t j = columns_[i].count; j < unit_; ++j) to[j] = T(0);
                }
            }
        }
    }

    /// Take over the transpose of `source` (columns, .): row k of this matrix is the column of `source` that
    /// `order` names for k, a zero row where it names none. `order` has depth() columns, with those that fill vectors; the last
    /// vector need not be filled.
    void pack_transposed(View<const T> source, const std::vector<ColumnRun>& order, Part part = {}) {
        for_each_vector(part, [&](std::size_t v) {
            const ColumnRun& run = columns_[v];
            if constexpr (std::is_same_v<T, float>) {
                if (on_tiles())
                    return detail::amx::run(detail::PackRowsOnTiles{source, order, run, strip_at(v)});
            }
            simd::dispatch(level_, detail::PackRows<T>{source, order, run, depth_, column_at(v), step_of(v)});
        });
    }

  private:
    /// Vectors in a row of the panel that begins at vector v.
    [[nodiscard]] std::size_t row_of(std::size_t v) const {
        return v < columns_.size() ? simd::tile_width(columns_.size() - v, panel_) : 0;
    }
    /// Vectors in a row of all panels.
    [[nodiscard]] std::size_t width() const {
        const std::size_t whole = columns_.size() / panel_ * panel_;
        return whole + row_of(whole);
    }
    template <class F>
    void for_each_vector(Part part, const F& f) {
        if (depth_ == 0) return;
        const std::size_t n = columns_.size();
        for (std::size_t v = part.begin(n); v < part.end(n); ++v) f(v);
    }
    /// Where vector v's strip stands.
    [[nodiscard]] T* strip_at(std::size_t v) { return data_.data() + v * detail::amx::strip_size(depth_); }
    /// Where vector v of the first row stands in its panel, and how far on that of the next row does.
    [[nodiscard]] T* column_at(std::size_t v) {
        const std::size_t first = v / panel_ * panel_;
        return data_.data() + first * unit_ * depth_ + (v - first) * unit_;
    }
    [[nodiscard]] std::size_t step_of(std::size_t v) const { return row_of(v / panel_ * panel_) * unit_; }

    Simd level_ = Simd::baseline;
    std::size_t unit_ = 0;
    std::size_t depth_ = 0;
    std::size_t panel_ = 1;
    Stripes from_, to_;
    std::vector<ColumnRun> columns_;
    Buffer<T> data_;
};

/// Some lanes of a window's rows: `steps` blocks of `count` rows.
template <class T>
struct Rows {
    T* data = nullptr;          ///< the first row
    std::size_t ld = 0;         ///< from a row to the next
    std::size_t count = 0;      ///< rows in a block
    std::size_t steps = 1;      ///< blocks
    std::size_t step_size = 0;  ///< from a block to the next

    /// `n` blocks from block t on, or as many as there are.
    [[nodiscard]] Rows part(std::size_t t, std::size_t n) const {
        return {data + t * step_size, ld, count, std::min(n, steps - t), step_size};
    }

    /// The rows of `lanes` at step t of an array of N lanes a step, or at `steps` steps from t on.
    static Rows of(T* base, std::size_t ld, std::size_t lanes_in_all, Lanes lanes, std::size_t t,
                   std::size_t steps = 1) {
        Rows r{base + (t * lanes_in_all + lanes.first) * ld, ld, lanes.count, steps, lanes_in_all * ld};
        if (lanes.count == lanes_in_all) {  // the blocks follow each other: one large block tiles better
            r.count *= steps;
            r.steps = 1;
        }
        return r;
    }
};

}  // namespace charrnn
