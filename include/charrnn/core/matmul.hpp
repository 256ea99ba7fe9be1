#pragma once

#include <algorithm>
#include <array>
#include <cstddef>
#include <cstring>
#include <span>
#include <utility>
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

/// Copy `count` scalars, at most a vector of the widest kind, which is the usual number.
template <class T>
inline void copy_run(const T* from, std::size_t count, T* to) {
    if (count == 64 / sizeof(T))
        std::memcpy(to, from, 64);
    else
        std::copy_n(from, count, to);
}

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
    template <class F>
    void each_vector(Part part, const F& f) {
        if (depth_ == 0) return;
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

/// acc[i][j] = 0
template <int MR, int NV, class V>
CHARRNN_INLINE void clear_tile(V (&acc)[MR][NV]) {
    CHARRNN_UNROLL
    for (int i = 0; i < MR; ++i) {
        CHARRNN_UNROLL
        for (int j = 0; j < NV; ++j) acc[i][j] = V::all(0);
    }
}
/// acc[i][j] = vector j of row i
template <int MR, int NV, class V, class T>
CHARRNN_INLINE void load_tile(V (&acc)[MR][NV], const T* from, std::size_t ld) {
    CHARRNN_UNROLL
    for (int i = 0; i < MR; ++i, from += ld) {
        CHARRNN_UNROLL
        for (int j = 0; j < NV; ++j) acc[i][j] = V::load(from + static_cast<std::size_t>(j) * V::size);
    }
}
/// vector j of row i = acc[i][j]
template <int MR, int NV, class V, class T>
CHARRNN_INLINE void store_tile(const V (&acc)[MR][NV], T* to, std::size_t ld) {
    CHARRNN_UNROLL
    for (int i = 0; i < MR; ++i, to += ld) {
        CHARRNN_UNROLL
        for (int j = 0; j < NV; ++j) acc[i][j].store(to + static_cast<std::size_t>(j) * V::size);
    }
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
        // One branch for all registers, not one each: compiled in half the time.
        if (accumulate || k0 > 0) {
            load_tile(acc, out, c.ld);
        } else if (bias != nullptr) {
            load_tile(acc, bias + v * V::size, 0);
        } else {
            clear_tile(acc);
        }
        const T* from = a.data + t * a.step_size + m * a.ld + k0;
        tile<MR, NV>(k1 - k0, from, a.ld, 1, b->at(v) + k0 * NV * V::size, NV * V::size, acc);
        store_tile(acc, out, c.ld);
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

/// One of the matrices A that are multiplied with the same B, and where its product goes.
template <class T>
struct OuterTerm {
    View<const T> a;  ///< (R, M)
    View<T> c;        ///< (M, N)
};

namespace detail {

/// Parts of arrays that will be needed soon. They are fetched into the second-level cache a few lines at a time while
/// tiles are at work: all at once, they would take the places of the lines that the tiles wait for.
class FetchAhead {
    static constexpr std::size_t line = 64;  // bytes

  public:
    /// These rows too.
    template <class T>
    void add(View<T> v) {
        if (v.rows == 0 || v.cols == 0) return;
        Block& b = blocks_[count_++];
        b.at = reinterpret_cast<const char*>(v.data);
        b.row_lines = (v.cols * sizeof(T) + line - 1) / line;
        b.skip =
            static_cast<std::ptrdiff_t>(v.ld * sizeof(T)) - static_cast<std::ptrdiff_t>(b.row_lines * line);
        b.lines = v.rows * b.row_lines;
        b.left = b.row_lines;
        lines_ += b.lines;
    }
    /// Share what was added out to so many calls of fetch.
    void spread(std::size_t calls) { lines_a_call_ = (lines_ + calls - 1) / std::max<std::size_t>(1, calls); }

    CHARRNN_INLINE void fetch() {
        for (std::size_t i = 0; i < lines_a_call_ && current_ < count_; ++i) {
            Block& b = blocks_[current_];
            __builtin_prefetch(b.at, 0, 2);
            b.at += line;
            if (--b.left == 0) {
                b.left = b.row_lines;
                b.at += b.skip;
            }
            if (--b.lines == 0) ++current_;
        }
    }

  private:
    struct Block {
        const char* at;
        std::size_t row_lines, lines, left;
        std::ptrdiff_t skip;  // back, where a row ends within its last line
    };
    std::array<Block, 3> blocks_;
    std::size_t count_ = 0, current_ = 0, lines_ = 0, lines_a_call_ = 0;
};

template <class T>
struct OuterKernel {
    std::span<const OuterTerm<T>> terms;  // at most two: FetchAhead has room for them and B
    View<const T> b;
    T* sums;
    Part part;

    // Chunks of rows whose panel stays in the first-level cache; a tile goes through one in stretches, and lines are
    // fetched ahead between them.
    static constexpr std::size_t chunk = 96, stretch = 16;
    // The bytes of C that stay in the second-level cache while the chunks pass by.
    static constexpr std::size_t group_bytes = std::size_t{512} << 10U;

    /// The rows [first, last), and those after them.
    struct Chunk {
        std::size_t first, last;
        FetchAhead next;
    };

    template <int MR, int NV, class V>
    CHARRNN_INLINE void block(const OuterTerm<T>& term, std::size_t m, std::size_t v, Chunk& rows) const {
        V acc[MR][NV];
        T* const out = term.c.row(m) + v * V::size;
        if (rows.first == 0)
            clear_tile(acc);
        else
            load_tile(acc, out, term.c.ld);
        for (std::size_t r = rows.first; r < rows.last; r += stretch) {
            rows.next.fetch();
            const std::size_t depth = std::min(stretch, rows.last - r);
            // The next tiles' part of A, into the nearest cache: no processor guesses steps as wide as its rows.
            for (std::size_t i = 0; i < depth; ++i)
                __builtin_prefetch(term.a.row(r + i) + m + 64 / sizeof(T), 0, 3);
            tile<MR, NV>(depth, term.a.row(r) + m, 1, term.a.ld, b.row(r) + v * V::size, b.ld, acc);
        }
        store_tile(acc, out, term.c.ld);
    }

    template <int NV, class Isa>
    CHARRNN_INLINE void panel(std::size_t v, Chunk& rows) const {
        using V = typename Isa::template pack<T>;
        for (const OuterTerm<T>& term : terms)
            simd::for_each_row_tile<simd::TileShape<Isa>::rows>(
                term.a.cols, [&]<int MR>(std::size_t m)
                                 __attribute__((always_inline)) { block<MR, NV, V>(term, m, v, rows); });
        if (sums == nullptr) return;
        V s[NV];
        CHARRNN_UNROLL
        for (int j = 0; j < NV; ++j)
            s[j] =
                rows.first == 0 ? V::all(T(0)) : V::load(sums + (v + static_cast<std::size_t>(j)) * V::size);
        for (std::size_t r = rows.first; r < rows.last; ++r) {
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
        constexpr std::size_t most = simd::TileShape<Isa>::vectors;
        constexpr std::size_t height = simd::TileShape<Isa>::rows;
        const std::size_t vectors = (b.cols + V::size - 1) / V::size;
        const auto [first, last] = outer_share(Isa::level, vectors, part);
        std::size_t depth = 0, tiles = 0;
        for (const OuterTerm<T>& term : terms) {
            depth += term.a.cols;
            tiles += (term.a.cols + height - 1) / height;
        }
        const std::size_t group =
            std::max<std::size_t>(1, group_bytes / (std::max<std::size_t>(1, depth) * most * V::bytes)) *
            most;
        for (std::size_t g0 = first; g0 < last; g0 += group) {
            const std::size_t g1 = std::min(last, g0 + group);
            for (std::size_t r0 = 0; r0 == 0 || r0 < b.rows; r0 += chunk) {
                const std::size_t r1 = std::min(b.rows, r0 + chunk);
                const std::size_t next = std::min(chunk, b.rows - r1);
                const std::size_t calls =
                    (g1 - g0 + most - 1) / most * tiles * ((r1 - r0 + stretch - 1) / stretch);
                Chunk rows{r0, r1, {}};
                rows.next.add(b.slice(r1, next).columns(g0 * V::size, (g1 - g0) * V::size));
                for (const OuterTerm<T>& term : terms) rows.next.add(term.a.slice(r1, next));
                rows.next.spread(calls);
                columns<Isa>(g0, g1, rows);
            }
        }
    }

    template <class Isa>
    CHARRNN_INLINE void columns(std::size_t first, std::size_t last, Chunk& rows) const {
        constexpr int most = simd::TileShape<Isa>::vectors;
        for (std::size_t v = first; v < last;) {
            const std::size_t left = last - v;
            if (left >= most) {
                panel<most, Isa>(v, rows);
                v += most;
            } else if (most > 2 && left >= 2) {
                panel<2, Isa>(v, rows);
                v += 2;
            } else {
                panel<1, Isa>(v, rows);
                ++v;
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
    simd::dispatch(level, detail::OuterKernel<T>{terms, b, sums, part});
}

}  // namespace charrnn
