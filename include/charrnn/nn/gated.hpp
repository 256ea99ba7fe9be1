#pragma once

#include <algorithm>
#include <array>
#include <cstddef>
#include <vector>

#include <charrnn/core/buffer.hpp>
#include <charrnn/core/context.hpp>
#include <charrnn/core/error.hpp>
#include <charrnn/core/fetch_ahead.hpp>
#include <charrnn/core/matmul.hpp>
#include <charrnn/core/outer.hpp>
#include <charrnn/nn/cell.hpp>

/// @file
/// A gated cell over a window: one product for the input half, a fused step for the recurrent half, and the
/// weight gradients as one product at the end.
///
/// Private layout. H is padded to Hp, a multiple of the panel's units. A row of gates is, for each block of one
/// vector of units, the vectors of its gates side by side, so that a register tile holds all gates of its units
/// and the rules run on it in place. A row of state is the parts, Hp each.

namespace charrnn::detail {

template <class Cell>
struct GateShape {
    static constexpr std::size_t gates = Cell::gates;
    static constexpr std::size_t parts = Cell::parts;
    static constexpr std::size_t hidden = Cell::hidden_blocks.size();
    /// Blocks of units in a panel: as many as make some four vectors.
    static constexpr std::size_t blocks = gates >= 3 ? 1 : 4 / gates;
    static constexpr std::size_t vectors = gates * blocks;  ///< accumulators a row
    static constexpr std::size_t hidden_vectors =
        hidden * blocks;  ///< of which the recurrent product feeds so many

    template <class Isa>
    static constexpr int rows = static_cast<int>(std::max<std::size_t>(
        1, std::min<std::size_t>(simd::TileShape<Isa>::rows, (Isa::registers >= 32 ? 24 : 12) / vectors)));

    /// The accumulator that vector j of a panel of Wh feeds.
    static constexpr std::size_t accumulator(std::size_t j) {
        return j / hidden * gates + Cell::hidden_blocks[j % hidden];
    }
};

/// The columns of a weight matrix in the order of the private layout. `blocks[i]` is the gate of the matrix's
/// block i. Gates without a block are zero vectors, or left out where `dense`.
template <std::size_t Gates, std::size_t N>
std::vector<ColumnRun> gate_columns(std::size_t width, std::size_t padded, std::size_t unit,
                                    const std::array<std::size_t, N>& blocks, bool dense) {
    std::vector<ColumnRun> runs;
    for (std::size_t u = 0; u < padded; u += unit) {
        const std::size_t count = u < width ? std::min(unit, width - u) : 0;
        for (std::size_t g = 0; g < Gates; ++g) {
            std::size_t i = 0;
            while (i < N && blocks[i] != g) ++i;
            if (i < N)
                runs.push_back({count > 0 ? i * width + u : 0, count});
            else if (!dense)
                runs.push_back({});
        }
    }
    return runs;
}

/// One step of some lanes: gates = start + h Wh, then the cell's rule.
template <class Cell, class T>
struct GateStep {
    const Cell& cell;
    const PackedMatrix<T>& wh;
    std::size_t width;         // H
    std::size_t padded;        // Hp
    std::size_t count;         // lanes
    const std::uint32_t* ids;  // the row of `start` for each lane, or null: row n is lane n's
    const T* start;
    std::size_t start_ld;
    const T* before;
    T* after;
    std::size_t state_ld;
    T* gates;
    std::size_t gate_ld;

    template <int MR, class V>
    CHARRNN_INLINE void block(std::size_t m, std::size_t panel, FetchAhead& next) const {
        using S = GateShape<Cell>;
        constexpr std::size_t vectors = S::vectors;
        V acc[MR][vectors];
        CHARRNN_UNROLL
        for (int i = 0; i < MR; ++i) {
            const std::size_t n = m + static_cast<std::size_t>(i);
            const T* from = start + (ids != nullptr ? ids[n] : n) * start_ld + panel * vectors * V::size;
            CHARRNN_UNROLL
            for (std::size_t j = 0; j < vectors; ++j) acc[i][j] = V::load(from + j * V::size);
        }
        const T* a = before + m * state_ld;
        const T* b = wh.at(panel * S::hidden_vectors);
        for (std::size_t k = 0; k < width;) {
            next.fetch();
            for (const std::size_t end = std::min(width, k + FetchAhead::stretch); k < end;
                 ++k, ++a, b += S::hidden_vectors * V::size) {
                V bv[S::hidden_vectors];
                CHARRNN_UNROLL
                for (std::size_t j = 0; j < S::hidden_vectors; ++j) bv[j] = V::load(b + j * V::size);
                CHARRNN_UNROLL
                for (int i = 0; i < MR; ++i) {
                    const V s = V::all(a[static_cast<std::size_t>(i) * state_ld]);
                    CHARRNN_UNROLL
                    for (std::size_t j = 0; j < S::hidden_vectors; ++j)
                        acc[i][S::accumulator(j)] = fma(s, bv[j], acc[i][S::accumulator(j)]);
                }
            }
        }
        CHARRNN_UNROLL
        for (int i = 0; i < MR; ++i) {
            T* to = gates + (m + static_cast<std::size_t>(i)) * gate_ld + panel * vectors * V::size;
            CHARRNN_UNROLL
            for (std::size_t j = 0; j < vectors; ++j) acc[i][j].store(to + j * V::size);
        }
    }

    /// The cell's rule on one row of a block of units, whose pre-activations are still in the nearest cache.
    template <class V>
    CHARRNN_INLINE void rule(std::size_t n, std::size_t unit) const {
        using S = GateShape<Cell>;
        V g[S::gates];
        V s[S::parts];
        T* gate = gates + n * gate_ld + unit * S::gates;
        CHARRNN_UNROLL
        for (std::size_t j = 0; j < S::gates; ++j) g[j] = V::load(gate + j * V::size);
        CHARRNN_UNROLL
        for (std::size_t p = 0; p < S::parts; ++p) s[p] = V::load(before + n * state_ld + p * padded + unit);
        cell.gate(g, s);
        CHARRNN_UNROLL
        for (std::size_t j = 0; j < S::gates; ++j) g[j].store(gate + j * V::size);
        CHARRNN_UNROLL
        for (std::size_t p = 0; p < S::parts; ++p) s[p].store(after + n * state_ld + p * padded + unit);
    }

    template <class Isa>
    CHARRNN_INLINE void operator()(Isa) const {
        using V = typename Isa::template pack<T>;
        using S = GateShape<Cell>;
        constexpr std::size_t units = V::size * S::blocks;
        const std::size_t panels = padded / units;
        for (std::size_t p = 0; p < panels; ++p) {
            FetchAhead next;
            wh.fetch_ahead(next, (p + 1) % panels * S::hidden_vectors, 0, width,
                           tiles_of(count, S::template rows<Isa>) * tiles_of(width, FetchAhead::stretch));
            simd::for_each_row_tile<S::template rows<Isa>>(
                count, [&]<int MR>(std::size_t m)
                           __attribute__((always_inline)) { block<MR, V>(m, p, next); });
            for (std::size_t n = 0; n < count; ++n)
                for (std::size_t u = 0; u < units; u += V::size) rule<V>(n, p * units + u);
        }
    }
};

/// One step of some lanes backward, elementwise: gates become the gradient of the pre-activations, and `carry`,
/// the gradient of the state after (without d_y), becomes that of the state before (without the product's share).
template <class Cell, class T>
struct GateStepBack {
    const Cell& cell;
    std::size_t padded;
    std::size_t width;
    std::size_t count;
    const T* before;
    const T* after;
    T* carry;
    std::size_t state_ld;
    T* gates;
    std::size_t gate_ld;
    const T* d_y;
    std::size_t d_y_ld;

    template <class Isa>
    CHARRNN_INLINE void operator()(Isa) const {
        using V = typename Isa::template pack<T>;
        using S = GateShape<Cell>;
        for (std::size_t n = 0; n < count; ++n) {
            for (std::size_t unit = 0; unit < padded; unit += V::size) {
                V g[S::gates];
                V s0[S::parts];
                V s1[S::parts];
                V d[S::parts];
                T* gate = gates + n * gate_ld + unit * S::gates;
                CHARRNN_UNROLL
                for (std::size_t j = 0; j < S::gates; ++j) g[j] = V::load(gate + j * V::size);
                CHARRNN_UNROLL
                for (std::size_t p = 0; p < S::parts; ++p) {
                    const std::size_t at = n * state_ld + p * padded + unit;
                    s0[p] = V::load(before + at);
                    s1[p] = V::load(after + at);
                    d[p] = V::load(carry + at);
                }
                if (unit < width) d[0] = d[0] + V::load(d_y + n * d_y_ld + unit);
                cell.gate_back(g, s0, s1, d);
                CHARRNN_UNROLL
                for (std::size_t j = 0; j < S::gates; ++j) g[j].store(gate + j * V::size);
                CHARRNN_UNROLL
                for (std::size_t p = 0; p < S::parts; ++p)
                    d[p].store(carry + n * state_ld + p * padded + unit);
            }
            // A rule with a slope without bound makes NaN of the padding, which the products would spread.
            for (std::size_t unit = width; unit < padded; ++unit) {
                T* gate = gates + n * gate_ld + unit / V::size * V::size * S::gates + unit % V::size;
                for (std::size_t j = 0; j < S::gates; ++j) gate[j * V::size] = T(0);
                for (std::size_t p = 0; p < S::parts; ++p) carry[n * state_ld + p * padded + unit] = T(0);
            }
        }
    }
};

/// table[ids[r]] += rows[r] for r ascending, for the vectors [first, last) of a row; the table is cleared first.
template <class T>
struct ScatterAdd {
    View<T> table;
    View<const T> rows;
    const std::uint32_t* ids;
    std::size_t first, last;  // scalars

    template <class Isa>
    CHARRNN_INLINE void operator()(Isa) const {
        using V = typename Isa::template pack<T>;
        for (std::size_t i = 0; i < table.rows; ++i)
            std::fill(table.row(i) + first, table.row(i) + last, T(0));
        for (std::size_t r = 0; r < rows.rows; ++r) {
            T* to = table.row(ids[r]);
            const T* from = rows.row(r);
            for (std::size_t j = first; j < last; j += V::size)
                (V::load(to + j) + V::load(from + j)).store(to + j);
        }
    }
};

/// The workspace of a gated cell over a window.
template <class Cell, class T>
class GatedTape {
    using Shape = GateShape<Cell>;

  public:
    GatedTape(const Cell& cell, const Plan& plan) : plan_(plan), in_(cell.in), width_(cell.out) {
        level_ = simd::level();
        unit_ = simd::width(level_) / sizeof(T);
        padded_ = round_up(width_, unit_ * Shape::blocks);
        const std::size_t gate_columns_in_all = padded_ * Shape::gates;
        gate_ld_ = row_stride<T>(gate_columns_in_all);
        state_ld_ = row_stride<T>(padded_ * Shape::parts);
        order_ = gate_columns<Shape::gates>(width_, padded_, unit_, Cell::input_blocks, false);
        hidden_order_ = gate_columns<Shape::gates>(width_, padded_, unit_, Cell::hidden_blocks, false);
        bias_order_ = gate_columns<Shape::gates>(width_, padded_, unit_, every_gate(), false);
        const std::size_t rows = plan.extent.rows();
        gates_.resize(rows * gate_ld_);
        state_.resize((rows + plan.extent.lanes) * state_ld_);
        bias_.resize(gate_columns_in_all);
        wh_ = PackedMatrix<T>(level_, width_,
                              gate_columns<Shape::gates>(width_, padded_, unit_, Cell::hidden_blocks, true),
                              Shape::hidden_vectors);
        if (plan.ids)
            table_.resize(in_ * gate_ld_);
        else
            wi_ = PackedMatrix<T>(level_, in_, order_, matmul_panel(level_));
        if (!plan.backward) return;
        carry_.resize(plan.extent.lanes * state_ld_);
        wh_back_ =
            PackedMatrix<T>(level_, gate_columns_in_all, plain_columns(width_, unit_), matmul_panel(level_));
        d_wi_.resize(in_ * gate_ld_);
        d_wh_.resize(width_ * gate_ld_);
        d_b_.resize(gate_columns_in_all);
        if (!plan.input_gradient) return;
        d_x_ld_ = row_stride<T>(in_);
        d_x_.resize(rows * d_x_ld_);
        wi_back_ =
            PackedMatrix<T>(level_, gate_columns_in_all, plain_columns(in_, unit_), matmul_panel(level_));
    }

    /// Renew the private copies of the weights.
    void prepare(const GatedParams<T>& p, Part part) {
        const View<const T> wi = view(p.Wi);
        const View<const T> wh = view(p.Wh);
        const T* bias = p.b.data();
        wh_.pack(wh, part);
        if (plan_.ids)
            for (std::size_t i = part.begin(in_); i < part.end(in_); ++i) {
                T* out = table_.data() + i * gate_ld_;
                const T* in = wi.row(i);
                for (std::size_t v = 0; v < order_.size(); ++v, out += unit_) {
                    const ColumnRun b = bias_order_[v], w = order_[v];
                    copy_run(bias + b.first, b.count, out);
                    for (std::size_t j = b.count; j < unit_; ++j) out[j] = T(0);
                    for (std::size_t j = 0; j < w.count; ++j) out[j] += in[w.first + j];
                }
            }
        else
            wi_.pack(wi, part);
        if (part.index == 0)
            for (std::size_t v = 0; v < bias_order_.size(); ++v)
                for (std::size_t j = 0; j < unit_; ++j)
                    bias_[v * unit_ + j] = j < bias_order_[v].count ? bias[bias_order_[v].first + j] : T(0);
        if (plan_.backward) wh_back_.pack_transposed(wh, hidden_order_, part);
        if (plan_.input_gradient) wi_back_.pack_transposed(wi, order_, part);
    }

    void forward(const Cell& cell, const Input<T>& x, const Context& context, std::size_t steps,
                 Lanes lanes) {
        if (context.begins != nullptr && previous_.empty()) throw_no_room_for_begins();
        for (std::size_t t = 0; t < steps; ++t) {
            const std::size_t block = steps_at_once(lanes);
            if (!plan_.ids && t % block == 0) {
                const std::size_t n = std::min(block, steps - t);
                matmul<T>(Rows<const T>::of(x.dense.data, x.dense.ld, n_lanes(), lanes, t, n), wi_,
                          Rows<T>::of(gates_.data(), gate_ld_, n_lanes(), lanes, t, n), bias_.data());
            }
            const std::size_t row = t * n_lanes() + lanes.first;
            T* gates = gates_.data() + row * gate_ld_;
            if (context.begins != nullptr) keep_previous(context.begins + row, row, lanes.count);
            simd::dispatch(level_, GateStep<Cell, T>{cell, wh_, width_, padded_, lanes.count,
                                                     plan_.ids ? x.ids + row : nullptr,
                                                     plan_.ids ? table_.data() : gates, gate_ld_,
                                                     before(context) + row * state_ld_,
                                                     state_row(row + n_lanes()), state_ld_, gates, gate_ld_});
        }
    }

    void backward(const Cell& cell, View<const T> d_y, const Context& context, std::size_t steps,
                  Lanes lanes) {
        T* carry = carry_.data() + lanes.first * state_ld_;
        std::fill(carry, carry + lanes.count * state_ld_, T(0));
        for (std::size_t t = steps; t-- > 0;) {
            const std::size_t row = t * n_lanes() + lanes.first;
            if (context.truncate > 0 && (t + 1) % context.truncate == 0 && t + 1 < steps)
                std::fill(carry, carry + lanes.count * state_ld_, T(0));
            T* gates = gates_.data() + row * gate_ld_;
            simd::dispatch(
                level_, GateStepBack<Cell, T>{cell, padded_, width_, lanes.count,
                                              before(context) + row * state_ld_, state_row(row + n_lanes()),
                                              carry, state_ld_, gates, gate_ld_, d_y.row(row), d_y.ld});
            if (t > 0 || plan_.state_gradient)
                matmul<T>({gates, gate_ld_, lanes.count}, wh_back_, {carry, state_ld_, lanes.count}, nullptr,
                          true);
            if (context.begins != nullptr)
                for (std::size_t n = 0; n < lanes.count; ++n)
                    if (context.begins[row + n] != 0)
                        std::fill(carry + n * state_ld_, carry + (n + 1) * state_ld_, T(0));
            const std::size_t block = steps_at_once(lanes);
            if (plan_.input_gradient && t % block == 0) {
                const std::size_t n = std::min(block, steps - t);
                matmul<T>(Rows<const T>::of(gates_.data(), gate_ld_, n_lanes(), lanes, t, n), wi_back_,
                          Rows<T>::of(d_x_.data(), d_x_ld_, n_lanes(), lanes, t, n));
            }
        }
    }

    void gradient(const Input<T>& x, const Context& context, std::size_t steps, GatedParams<T>& d,
                  Part part) {
        const std::size_t rows = steps * n_lanes();
        const std::size_t columns = padded_ * Shape::gates;
        const View<const T> gates(gates_.data(), rows, columns, gate_ld_);
        const View<const T> h(before(context), rows, width_, state_ld_);
        const View<T> d_wh(d_wh_.data(), width_, columns, gate_ld_);
        const View<T> d_wi(d_wi_.data(), in_, columns, gate_ld_);
        const Range share = outer_share(level_, bias_order_.size(), part);
        if (plan_.ids) {
            matmul_outer<T, 1>(level_, {{{h, d_wh}}}, gates, d_b_.data(), part);
            simd::dispatch(level_,
                           ScatterAdd<T>{d_wi, gates, x.ids, share.first * unit_, share.last * unit_});
        } else {
            const View<const T> dense(x.dense.data, rows, in_, x.dense.ld);
            matmul_outer<T, 2>(level_, {{{h, d_wh}, {dense, d_wi}}}, gates, d_b_.data(), part);
        }
        unpack(d_wh, hidden_order_, share, d.Wh);
        unpack(d_wi, order_, share, d.Wi);
        for (std::size_t v = share.first; v < share.last; ++v)
            for (std::size_t j = 0; j < bias_order_[v].count; ++j)
                d.b(bias_order_[v].first + j) = d_b_[v * unit_ + j];
    }

    /// h of every step: (T * N, H).
    [[nodiscard]] View<const T> output(std::size_t steps) const {
        return {state_.data() + n_lanes() * state_ld_, steps * n_lanes(), width_, state_ld_};
    }
    [[nodiscard]] View<const T> d_input(std::size_t steps) const {
        return {d_x_.data(), steps * n_lanes(), in_, d_x_ld_};
    }
    /// Part p of the state before step t (t = T: after the last): (N, H).
    [[nodiscard]] View<T> state(std::size_t t, std::size_t p) {
        return {state_row(t * n_lanes()) + p * padded_, n_lanes(), width_, state_ld_};
    }
    /// Part p of the gradient of the initial state.
    [[nodiscard]] View<const T> d_state(std::size_t p) const {
        return {carry_.data() + p * padded_, n_lanes(), width_, state_ld_};
    }
    /// Make room for documents that begin inside a window.
    void allow_begins() { previous_.resize(plan_.extent.rows() * state_ld_); }

  private:
    static constexpr std::array<std::size_t, Shape::gates> every_gate() {
        std::array<std::size_t, Shape::gates> all{};
        for (std::size_t g = 0; g < Shape::gates; ++g) all[g] = g;
        return all;
    }
    [[noreturn]] static void throw_no_room_for_begins() {
        throw value_error("Context::begins is given, but allow_begins() was not called");
    }
    [[nodiscard]] std::size_t n_lanes() const { return plan_.extent.lanes; }
    /// Steps whose rows stay in the second-level cache between the product over them and the steps themselves.
    [[nodiscard]] static std::size_t steps_at_once(Lanes lanes) {
        return std::max<std::size_t>(1, 96 / std::max<std::size_t>(1, lanes.count));
    }
    T* state_row(std::size_t row) { return state_.data() + row * state_ld_; }
    [[nodiscard]] const T* before(const Context& context) const {
        return context.begins != nullptr ? previous_.data() : state_.data();
    }
    static View<const T> view(const Matrix<T>& m) { return {m.data(), m.shape(0), m.shape(1)}; }

    void keep_previous(const std::uint8_t* begins, std::size_t row, std::size_t count) {
        for (std::size_t n = 0; n < count; ++n) {
            T* to = previous_.data() + (row + n) * state_ld_;
            const T* from = state_row(row + n);
            if (begins[n] != 0)
                std::fill(to, to + state_ld_, T(0));
            else
                std::copy(from, from + state_ld_, to);
        }
    }
    void unpack(View<const T> from, const std::vector<ColumnRun>& order, Range share, Matrix<T>& to) const {
        for (std::size_t i = 0; i < from.rows; ++i)
            for (std::size_t v = share.first; v < share.last; ++v)
                copy_run(from.row(i) + v * unit_, order[v].count,
                         to.data() + i * to.shape(1) + order[v].first);
    }

    Plan plan_;
    std::size_t in_, width_;
    Simd level_ = Simd::baseline;
    std::size_t unit_ = 0, padded_ = 0, gate_ld_ = 0, state_ld_ = 0, d_x_ld_ = 0;
    std::vector<ColumnRun> order_, hidden_order_, bias_order_;
    PackedMatrix<T> wi_, wh_, wi_back_, wh_back_;
    Buffer<T> table_, bias_;
    Buffer<T> gates_, state_, previous_, carry_, d_x_;
    Buffer<T> d_wi_, d_wh_, d_b_;
};

}  // namespace charrnn::detail
