#pragma once

#include <algorithm>
#include <cstddef>
#include <vector>

#include <charrnn/core/buffer.hpp>
#include <charrnn/core/simd.hpp>
#include <charrnn/core/tile.hpp>
#include <charrnn/core/view.hpp>

/// @file
/// Matrix products on packed weights and on whole windows, on one thread each.
///
/// No sum depends on how rows are grouped or output is shared out: every element adds over the inner extent in
/// ascending order. Rows must have room for whole vectors (see row_stride).

namespace charrnn {

/// Where the columns of one vector come from: `count` columns from `first`; the rest of the vector is zero.
struct ColumnRun {
    std::size_t first = 0;  ///< the first column
    std::size_t count = 0;  ///< how many
};

/// n columns in their own order, cut into vectors of `unit`.
inline std::vector<ColumnRun> plain_columns(std::size_t n, std::size_t unit) {
    std::vector<ColumnRun> runs;
    for (std::size_t c = 0; c < n; c += unit) runs.push_back({c, std::min(unit, n - c)});
    return runs;
}

/// A matrix of weights (K, columns) as the kernels read it: panels of a few vectors of columns, in a panel row k
/// after row k. The columns may be taken in another order than the canonical one, and padded with zeros.
template <class T>
class PackedMatrix {
  public:
    PackedMatrix() = default;
    /// Room for `depth` rows of the given columns, `panel` vectors to a panel.
    PackedMatrix(Simd level, std::size_t depth, std::vector<ColumnRun> columns, std::size_t panel)
        : level_(level),
          unit_(simd::width(level) / sizeof(T)),
          depth_(depth),
          panel_(panel),
          columns_(std::move(columns)),
          data_(depth * columns_.size() * unit_) {}

    /// The instruction set that it is packed for.
    [[nodiscard]] Simd level() const { return level_; }
    [[nodiscard]] std::size_t unit() const { return unit_; }    ///< scalars in a vector
    [[nodiscard]] std::size_t depth() const { return depth_; }  ///< K
    [[nodiscard]] std::size_t panel() const { return panel_; }  ///< vectors in a panel
    /// Vectors in a row.
    [[nodiscard]] std::size_t vectors() const { return columns_.size(); }
    /// Columns, with those that fill the last vector.
    [[nodiscard]] const std::vector<ColumnRun>& columns() const { return columns_; }
    /// Where the panel that begins at vector v (a multiple of panel()) stands.
    [[nodiscard]] const T* at(std::size_t v) const { return data_.data() + v * unit_ * depth_; }

    /// Take over `source` (K, columns), or this part's share of its columns.
    void pack(View<const T> source, Part part = {}) {
        each_vector(part, [&](const ColumnRun& run, T* out, std::size_t step) {
            for (std::size_t k = 0; k < depth_; ++k, out += step) {
                const T* in = source.row(k) + run.first;
                for (std::size_t j = 0; j < run.count; ++j) out[j] = in[j];
                for (std::size_t j = run.count; j < unit_; ++j) out[j] = T(0);
            }
        });
    }

    /// Take over the transpose of `source` (columns, .): row k of this matrix is the column of `source` that
    /// `order` names for k, a zero row where it names none.
    void pack_transposed(View<const T> source, const std::vector<ColumnRun>& order, Part part = {}) {
        each_vector(part, [&](const ColumnRun& run, T* out, std::size_t step) {
            for (const ColumnRun& from : order)
                for (std::size_t k = 0; k < unit_; ++k, out += step) {
                    const bool real = k < from.count;
                    const std::size_t count = real ? run.count : 0;
                    const T* in = real ? source.row(run.first) + from.first + k : nullptr;
                    for (std::size_t j = 0; j < count; ++j) out[j] = in[j * source.ld];
                    for (std::size_t j = count; j < unit_; ++j) out[j] = T(0);
                }
        });
    }

  private:
    template <class F>
    void each_vector(Part part, const F& f) {
        const std::size_t n = columns_.size();
        for (std::size_t v = part.begin(n); v < part.end(n); ++v) {
            const std::size_t first = v / panel_ * panel_;
            const std::size_t vectors = std::min(panel_, n - first);
            f(columns_[v], data_.data() + first * unit_ * depth_ + (v - first) * unit_, vectors * unit_);
        }
    }

    Simd level_ = Simd::baseline;
    std::size_t unit_ = 0;
    std::size_t depth_ = 0;
    std::size_t panel_ = 1;
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

    template <int MR, int NV, class V>
    CHARRNN_INLINE void block(std::size_t t, std::size_t m, std::size_t v, std::size_t k0,
                              std::size_t k1) const {
        V acc[MR][NV];
        T* out = c.data + t * c.step_size + m * c.ld + v * V::size;
        const bool load = accumulate || k0 > 0;
        CHARRNN_UNROLL
        for (int i = 0; i < MR; ++i) {
            CHARRNN_UNROLL
            for (int j = 0; j < NV; ++j) {
                const auto col = static_cast<std::size_t>(j) * V::size;
                acc[i][j] = load              ? V::load(out + static_cast<std::size_t>(i) * c.ld + col)
                            : bias != nullptr ? V::load(bias + v * V::size + col)
                                              : V::all(T(0));
            }
        }
        const T* from = a.data + t * a.step_size + m * a.ld + k0;
        tile<MR, NV>(k1 - k0, from, a.ld, 1, b->at(v) + k0 * NV * V::size, NV * V::size, acc);
        CHARRNN_UNROLL
        for (int i = 0; i < MR; ++i) {
            CHARRNN_UNROLL
            for (int j = 0; j < NV; ++j)
                acc[i][j].store(out + static_cast<std::size_t>(i) * c.ld +
                                static_cast<std::size_t>(j) * V::size);
        }
    }

    template <int NV, class Isa>
    CHARRNN_INLINE void panel(std::size_t v, std::size_t k0, std::size_t k1) const {
        using V = typename Isa::template pack<T>;
        for (std::size_t t = 0; t < a.steps; ++t)
            simd::for_each_row_tile<simd::TileShape<Isa>::rows>(
                a.count, [&]<int MR>(std::size_t m)
                             __attribute__((always_inline)) { block<MR, NV, V>(t, m, v, k0, k1); });
    }

    template <class Isa>
    CHARRNN_INLINE void operator()(Isa) const {
        constexpr int most = simd::TileShape<Isa>::vectors;
        const std::size_t depth = b->depth();
        const std::size_t chunk = chunk_depth<T>(most, b->unit());
        std::size_t k0 = 0;
        do {
            const std::size_t k1 = depth - k0 < chunk + chunk / 2 ? depth : k0 + chunk;
            for (std::size_t v = 0; v < b->vectors();) {
                const std::size_t left = b->vectors() - v;
                if (left >= most)
                    panel<most, Isa>(v, k0, k1);
                else if (left == 1)
                    panel<1, Isa>(v, k0, k1);
                else if constexpr (most > 2) {
                    if (left == 2)
                        panel<2, Isa>(v, k0, k1);
                    else
                        panel<3, Isa>(v, k0, k1);
                }
                v += most;
            }
            k0 = k1;
        } while (k0 < depth);
    }
};

}  // namespace detail

/// How many vectors make a panel for matmul.
inline std::size_t matmul_panel(Simd level) { return level == Simd::avx512 ? 4 : 2; }

/// C = A B + bias, or C += A B where `accumulate`. A (M, K), B (K, columns) packed with matmul_panel, bias
/// (columns, padded) or null. The blocks of `a` and `c` correspond.
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

/// From first to before last.
struct Range {
    std::size_t first = 0;  ///< the first
    std::size_t last = 0;   ///< the one behind the last
};

/// The vectors of columns that share `part` of an outer product covers: whole panels.
inline Range outer_share(Simd level, std::size_t vectors, Part part) {
    const std::size_t most = matmul_panel(level);
    const std::size_t panels = (vectors + most - 1) / most;
    return {std::min(vectors, part.begin(panels) * most), std::min(vectors, part.end(panels) * most)};
}

namespace detail {

template <class T>
struct OuterKernel {
    View<const T> a;
    View<const T> b;
    View<T> c;
    T* sums;
    Part part;

    template <int MR, int NV, class V>
    CHARRNN_INLINE void block(std::size_t m, std::size_t v, std::size_t r0, std::size_t r1) const {
        V acc[MR][NV];
        CHARRNN_UNROLL
        for (int i = 0; i < MR; ++i) {
            CHARRNN_UNROLL
            for (int j = 0; j < NV; ++j)
                acc[i][j] = r0 == 0 ? V::all(T(0))
                                    : V::load(c.row(m + static_cast<std::size_t>(i)) +
                                              (v + static_cast<std::size_t>(j)) * V::size);
        }
        tile<MR, NV>(r1 - r0, a.row(r0) + m, 1, a.ld, b.row(r0) + v * V::size, b.ld, acc);
        CHARRNN_UNROLL
        for (int i = 0; i < MR; ++i) {
            CHARRNN_UNROLL
            for (int j = 0; j < NV; ++j)
                acc[i][j].store(c.row(m + static_cast<std::size_t>(i)) +
                                (v + static_cast<std::size_t>(j)) * V::size);
        }
    }

    template <int NV, class Isa>
    CHARRNN_INLINE void panel(std::size_t v, std::size_t r0, std::size_t r1) const {
        using V = typename Isa::template pack<T>;
        simd::for_each_row_tile<simd::TileShape<Isa>::rows>(
            a.cols, [&]<int MR>(std::size_t m)
                        __attribute__((always_inline)) { block<MR, NV, V>(m, v, r0, r1); });
        if (sums == nullptr) return;
        V s[NV];
        CHARRNN_UNROLL
        for (int j = 0; j < NV; ++j)
            s[j] = r0 == 0 ? V::all(T(0)) : V::load(sums + (v + static_cast<std::size_t>(j)) * V::size);
        for (std::size_t r = r0; r < r1; ++r) {
            CHARRNN_UNROLL
            for (int j = 0; j < NV; ++j)
                s[j] = s[j] + V::load(b.row(r) + (v + static_cast<std::size_t>(j)) * V::size);
        }
        CHARRNN_UNROLL
        for (int j = 0; j < NV; ++j) s[j].store(sums + (v + static_cast<std::size_t>(j)) * V::size);
    }

    template <class Isa>
    CHARRNN_INLINE void operator()(Isa) const {
        using V = typename Isa::template pack<T>;
        constexpr int most = simd::TileShape<Isa>::vectors;
        const std::size_t vectors = (b.cols + V::size - 1) / V::size;
        const auto [first, last] = outer_share(Isa::level, vectors, part);
        // Chunks of rows whose panel stays in the first-level cache, and groups of columns whose part of C stays in
        // the second-level one.
        constexpr std::size_t chunk = 96;
        const std::size_t group = std::max<std::size_t>(
            1, (std::size_t{512} << 10U) / (std::max<std::size_t>(1, a.cols) * most * V::size * sizeof(T)));
        for (std::size_t g = first; g < last; g += group * most)
            for (std::size_t r0 = 0; r0 == 0 || r0 < b.rows; r0 += chunk)
                columns<Isa>(g, std::min(last, g + group * most), r0, std::min(b.rows, r0 + chunk));
    }

    template <class Isa>
    CHARRNN_INLINE void columns(std::size_t first, std::size_t last, std::size_t r0, std::size_t r1) const {
        constexpr int most = simd::TileShape<Isa>::vectors;
        for (std::size_t v = first; v < last;) {
            const std::size_t left = last - v;
            if (left >= most) {
                panel<most, Isa>(v, r0, r1);
                v += most;
            } else if (most > 2 && left >= 2) {
                panel<2, Isa>(v, r0, r1);
                v += 2;
            } else {
                panel<1, Isa>(v, r0, r1);
                ++v;
            }
        }
    }
};

}  // namespace detail

/// C = A^T B, the sum over rows of outer products, and sums = the column sums of B where not null; the share
/// `part` of C's columns. A (R, M), B (R, N), C (M, N).
template <class T>
void matmul_outer(Simd level, View<const T> a, View<const T> b, View<T> c, T* sums = nullptr,
                  Part part = {}) {
    simd::dispatch(level, detail::OuterKernel<T>{a, b, c, sums, part});
}

}  // namespace charrnn
