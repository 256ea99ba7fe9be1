#pragma once

#include <algorithm>
#include <array>
#include <cstddef>
#include <cstring>
#include <vector>

#include <charrnn/core/buffer.hpp>
#include <charrnn/core/fetch_ahead.hpp>
#include <charrnn/core/simd.hpp>
#include <charrnn/core/tile.hpp>
#include <charrnn/core/view.hpp>

/// @file
/// Products with packed weights, on one thread each.
///
/// No sum depends on how rows are grouped or output is shared out: every element adds over the inner extent in
/// ascending order. Rows must have room for whole vectors (see row_stride).

namespace charrnn {

/// From first to before last.
struct Range {
    std::size_t first = 0;  ///< the first
    std::size_t last = 0;   ///< the one behind the last
};

/// Where the columns of one vector come from: `count` columns from `first`; the rest of the vector is zero.
struct ColumnRun {
    std::size_t first = 0;  ///< the first column
    std::size_t count = 0;  ///< how many
};

/// Copy `count` scalars, at most a vector of the widest kind, which is the usual number.
template <class T>
inline void copy_run(const T* from, std::size_t count, T* to) {
    if (count == 64 / sizeof(T))
        std::memcpy(to, from, 64);
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
};

/// n columns in their own order, cut into vectors of `unit`.
inline std::vector<ColumnRun> plain_columns(std::size_t n, std::size_t unit) {
    std::vector<ColumnRun> runs;
    for (std::size_t c = 0; c < n; c += unit) runs.push_back({c, std::min(unit, n - c)});
    return runs;
}

/// A matrix of weights (K, columns) as the kernels read it: panels of a few vectors of columns, in a panel row k
/// after row k; the last panel is filled with zeros as far as its tiles reach. The columns may be taken in another order than the canonical one,
/// and padded with zeros. In a product C = A B it may meet some vectors of A's rows only, and make some of C's.
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
          data_(depth * width() * unit_) {}

    /// The instruction set that it is packed for.
    [[nodiscard]] Simd level() const { return level_; }
    [[nodiscard]] std::size_t unit() const { return unit_; }    ///< scalars in a vector
    [[nodiscard]] std::size_t depth() const { return depth_; }  ///< K
    [[nodiscard]] std::size_t panel() const { return panel_; }  ///< vectors in a panel
    /// Vectors in a row.
    [[nodiscard]] std::size_t vectors() const { return columns_.size(); }
    /// Columns, with those that fill the last vector.
    [[nodiscard]] const std::vector<ColumnRun>& columns() const { return columns_; }
    /// So many of its rows a tile takes at once: they meet scalars of A side by side, and nothing is fetched meanwhile.
    [[nodiscard]] std::size_t stretch() const {
        if (!from_.all()) return from_.count * unit_;
        return is_large() ? detail::FetchAhead::stretch : std::max<std::size_t>(1, depth_);
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

    /// Let `next` fetch rows [k0, k1) of the panel that begins at vector v during so many calls, if the matrix is too
    /// large to stay in the second-level cache.
    void fetch_ahead(detail::FetchAhead& next, std::size_t v, std::size_t k0, std::size_t k1,
                     std::size_t calls) const {
        if (!is_large()) return;
        const std::size_t row = row_of(v) * unit_;
        next.add(View<const T>(at(v) + k0 * row, 1, (k1 - k0) * row));
        next.spread(calls);
    }

    /// Take over `source` (K, columns), or this part's share of its columns.
    void pack(View<const T> source, Part part = {}) {
        each_vector(part, [&](const ColumnRun& run, T* out, std::size_t step) {
            for (std::size_t k = 0; k < depth_; ++k, out += step) {
                copy_run(source.row(k) + run.first, run.count, out);
                for (std::size_t j = run.count; j < unit_; ++j) out[j] = T(0);
            }
        });
    }

    /// Take over the transpose of `source` (columns, .): row k of this matrix is the column of `source` that
    /// `order` names for k, a zero row where it names none.
    void pack_transposed(View<const T> source, const std::vector<ColumnRun>& order, Part part = {}) {
        each_vector(part, [&](const ColumnRun& run, T* out, std::size_t step) {
            for (const ColumnRun& from : order) {
                if (run.count < unit_ || from.count < unit_)
                    for (std::size_t k = 0; k < unit_; ++k) std::fill_n(out + k * step, unit_, T(0));
                // Along the source's rows: a column's elements lie in as many lines, far apart.
                for (std::size_t j = 0; j < run.count; ++j) {
                    const T* in = source.row(run.first + j) + from.first;
                    for (std::size_t k = 0; k < from.count; ++k) out[k * step + j] = in[k];
                }
                out += unit_ * step;
            }
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
    /// Whether it may not stay in the second-level cache.
    [[nodiscard]] bool is_large() const { return data_.size() * sizeof(T) > std::size_t{1} << 20U; }
    template <class F>
    void each_vector(Part part, const F& f) {
        if (depth_ == 0) return;
        const std::size_t n = columns_.size();
        for (std::size_t v = part.begin(n); v < part.end(n); ++v) {
            const std::size_t first = v / panel_ * panel_;
            f(columns_[v], data_.data() + first * unit_ * depth_ + (v - first) * unit_,
              row_of(first) * unit_);
        }
    }

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

namespace detail {

/// How deep a chunk of the inner extent may be for one panel to stay in the first-level cache.
template <class T>
constexpr std::size_t chunk_depth(std::size_t vectors, std::size_t unit) {
    return std::max<std::size_t>(32, (std::size_t{32} << 10U) / (vectors * unit * sizeof(T)));
}

template <class T>
struct MatmulKernel {
    Rows<const T> a;
    const PackedMatrix<T>* b;
    Rows<T> c;
    const T* bias;
    bool accumulate;

    /// A part of the inner extent: rows `k` of B, and the scalars of A that they meet, by stretches.
    struct Inner {
        Range k;
        std::size_t from, stretch, step;
    };
    [[nodiscard]] Inner inner(Range k) const {
        return {k, b->from(k.first), b->stretch(), b->stretch() + b->gap()};
    }

    template <int MR, int NV, class V>
    CHARRNN_INLINE void block(std::size_t t, std::size_t m, std::size_t v, const simd::Offsets<NV>& to,
                              const Inner& inner, FetchAhead& next) const {
        V acc[MR][NV];
        T* out = c.data + t * c.step_size + m * c.ld;
        // One branch for all registers, not one each: compiled in half the time.
        if (accumulate || inner.k.first > 0) {
            simd::load_tile(acc, out, c.ld, to);
        } else if (bias != nullptr) {
            simd::load_tile(acc, bias, 0, to);
        } else {
            simd::clear_tile(acc);
        }
        const T* from = a.data + t * a.step_size + m * a.ld + inner.from;
        const T* rows = b->at(v) + inner.k.first * NV * V::size;
        for (std::size_t left = inner.k.last - inner.k.first; left > 0;) {
            next.fetch();
            const std::size_t depth = std::min(inner.stretch, left);
            tile<MR, NV>(depth, from, a.ld, 1, rows, NV * V::size, acc);
            from += inner.step;
            rows += depth * NV * V::size;
            left -= depth;
        }
        simd::store_tile(acc, out, c.ld, to);
    }

    /// Rows `k` of the panel at vector v. Rows `after` are those of the first panel that come when all are done.
    template <class Isa, int NV>
    CHARRNN_INLINE void panel(std::size_t v, Range k, Range after) const {
        using V = typename Isa::template pack<T>;
        constexpr int height = simd::TileShape<Isa>::rows;
        FetchAhead next;
        const std::size_t calls =
            a.steps * tiles_of(a.count, height) * tiles_of(k.last - k.first, b->stretch());
        if (v + NV < b->vectors())
            b->fetch_ahead(next, v + NV, k.first, k.last, calls);
        else
            b->fetch_ahead(next, 0, after.first, after.last, calls);
        const Inner in = inner(k);
        simd::Offsets<NV> to;
        for (std::size_t j = 0; j < NV; ++j) to.at[j] = b->to(std::min(v + j, b->vectors() - 1));
        for (std::size_t t = 0; t < a.steps; ++t)
            simd::for_each_row_tile<height>(
                a.count, [&]<int MR>(std::size_t m)
                             __attribute__((always_inline)) { block<MR, NV, V>(t, m, v, to, in, next); });
    }

    template <class Isa>
    CHARRNN_INLINE void operator()(Isa) const {
        constexpr int most = simd::TileShape<Isa>::vectors;
        const std::size_t depth = b->depth();
        // No stretch with a gap behind it is cut.
        const std::size_t chunk = round_up(chunk_depth<T>(most, b->unit()), b->gap() > 0 ? b->stretch() : 1);
        const auto chunk_from = [&](std::size_t k0) {
            return Range{k0, depth - k0 < chunk + chunk / 2 ? depth : k0 + chunk};
        };
        Range k = chunk_from(0);
        for (;;) {
            const bool last = k.last == depth;
            const Range after = chunk_from(last ? 0 : k.last);
            for (std::size_t v = 0; v < b->vectors(); v += most) {
                if (b->vectors() - v >= most)
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

/// How many vectors make a panel for matmul.
inline std::size_t matmul_panel(Simd level) { return level == Simd::avx512 ? 4 : 2; }

/// C = A B + bias, or C += A B where `accumulate`. A (M, K), B (K, columns) packed with matmul_panel, bias (one row
/// of C) or null. The blocks of `a` and `c` correspond.
template <class T>
void matmul(Rows<const T> a, const PackedMatrix<T>& b, Rows<T> c, const T* bias = nullptr,
            bool accumulate = false) {
    constexpr std::size_t block = 96;  // rows that stay in the second-level cache while all panels pass by
    const auto run = [&](const Rows<const T>& from, const Rows<T>& to) {
        simd::dispatch(b.level(), detail::MatmulKernel<T>{from, &b, to, bias, accumulate});
    };
    if (a.count == 0) return;
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

}  // namespace charrnn
