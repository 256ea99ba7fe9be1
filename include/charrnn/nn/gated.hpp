#pragma once

#include <algorithm>
#include <array>
#include <cstddef>
#include <cstdint>
#include <numeric>
#include <type_traits>
#include <vector>

#include <charrnn/core/buffer.hpp>
#include <charrnn/core/context.hpp>
#include <charrnn/core/error.hpp>
#include <charrnn/core/fetch_ahead.hpp>
#include <charrnn/core/matmul.hpp>
#include <charrnn/core/outer.hpp>
#include <charrnn/core/scatter_add.hpp>
#include <charrnn/core/sum_groups.hpp>
#include <charrnn/nn/cell.hpp>
#include <charrnn/nn/gate_kernels.hpp>
#include <charrnn/nn/gate_kernels_on_tiles.hpp>

/// @file
/// A gated cell over a window: one product for the input half, a fused step for the recurrent half, and the weights'
/// gradients as one product for each of SumGroups at the end. For the layout see gate_kernels.hpp.

namespace charrnn::detail {

/// The workspace of a gated cell over a window.
template <class Cell, class T>
class GatedTape {
    using Shape = GateShape<Cell>;

  public:
    GatedTape(const Cell& cell, const Plan& plan)
        : plan_(plan), in_(cell.in), width_(cell.out), groups_(plan.extent) {
        level_ = product_level<T>(plan);
        unit_ = simd::width(level_) / sizeof(T);
        padded_ = round_up(width_, unit_ * Shape::blocks);
        const std::size_t gate_columns_in_all = padded_ * Shape::gates;
        gate_ld_ = row_stride<T>(gate_columns_in_all);
        state_ld_ = row_stride<T>(padded_ * Shape::parts);
        order_ = gate_columns<Cell>(width_, padded_, unit_, Cell::input_blocks);
        hidden_order_ = gate_columns<Cell>(width_, padded_, unit_, Cell::hidden_blocks);
        bias_order_ = gate_columns<Cell>(width_, padded_, unit_, every_gate());
        const std::size_t rows = plan.extent.rows();
        gates_.resize(rows * gate_ld_);
        state_.resize((rows + plan.extent.lanes) * state_ld_);
        bias_.resize(gate_columns_in_all);
        wh_ = PackedMatrix<T>(level_, width_, hidden_order_, Shape::hidden_vectors);
        if (plan.ids)
            table_.resize(in_ * gate_ld_);
        else
            wi_ = PackedMatrix<T>(level_, in_, order_, matmul_panel(level_), {}, Shape::input_stripes);
        if (!plan.backward) return;
        carry_.resize(plan.extent.lanes * state_ld_);
        wh_back_ = PackedMatrix<T>(level_, hidden_order_.size() * unit_, plain_columns(width_, unit_),
                                   matmul_panel(level_), Shape::hidden_stripes);
        for (std::size_t g = 0; g < groups_.size(); ++g)
            sums_.push_back({plan.ids ? OuterSums<T>::by_rows(level_, in_, gate_columns_in_all)
                                      : OuterSums<T>(level_, in_, gate_columns_in_all),
                             OuterSums<T>(level_, width_, gate_columns_in_all),
                             Buffer<T>(gate_columns_in_all)});
        if (!plan.input_gradient) return;
        d_x_ld_ = row_stride<T>(in_);
        d_x_.resize(rows * d_x_ld_);
        wi_back_ = PackedMatrix<T>(level_, order_.size() * unit_, plain_columns(in_, unit_),
                                   matmul_panel(level_), Shape::input_stripes);
    }

    /// Renew the private copies of the weights.
    void prepare(const GatedParams<T>& p, Part part) {
        const View<const T> wi = view(p.Wi);
        const View<const T> wh = view(p.Wh);
        const T* bias = p.b.data();
        wh_.pack(wh, part);
        if (plan_.ids)
            for (std::size_t i = part.begin(in_); i < part.end(in_); ++i) {
                const T* in = wi.row(i);
                for (std::size_t v = 0; v < order_.size(); ++v) {
                    const std::size_t place = Shape::input_stripes(v);
                    T* out = table_.data() + i * gate_ld_ + place * unit_;
                    const ColumnRun b = bias_order_[place], w = order_[v];
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
                          Rows<T>::of(gates_.data(), gate_ld_, n_lanes(), lanes, t, n),
                          wi_.on_tiles() ? nullptr : bias_.data());
            }
            const std::size_t row = t * n_lanes() + lanes.first;
            if (context.begins != nullptr) keep_previous(context.begins + row, row, lanes.count);
            step(gate_step(cell, x, context, row, lanes.count, {0, panels()}));
        }
    }

    /// Whole panels of the recurrent product and of the one over the input, so that no part reads what another one makes.
    void forward_part(const Cell& cell, const Input<T>& x, Part part) {
        constexpr std::size_t fed = Cell::input_blocks.size() * Shape::blocks;  // vectors of a panel
        const std::size_t unit = matmul_panel(level_) / std::gcd(matmul_panel(level_), fed);
        const std::size_t units = tiles_of(panels(), unit);
        const Range share{part.begin(units) * unit, std::min(panels(), part.end(units) * unit)};
        if (share.first == share.last) return;
        fetch_all(state_.data(), width_);  // of which other threads have written parts
        if (!plan_.ids) {
            fetch_all(x.dense.data, in_);
            matmul_share<T>(x.dense.data, wi_, gates_.data(), bias_.data(),
                            {share.first * fed, share.last * fed});
        }
        step(gate_step(cell, x, {}, 0, 1, share));
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
            // What the step before will read: by now it has left the caches.
            FetchAhead next;
            if (t > 0) {
                const std::size_t there = row - n_lanes();
                next.add(View<const T>(gates_.data() + there * gate_ld_, lanes.count, gate_ld_));
                next.add(View<const T>(before(context) + there * state_ld_, lanes.count, state_ld_));
                next.add(d_y.slice(there, lanes.count));
            }
            if (t > 0 || plan_.state_gradient)
                matmul<T>({gates, gate_ld_, lanes.count}, wh_back_, {carry, state_ld_, lanes.count}, nullptr,
                          true, &next);
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

    void gradient(const Input<T>& x, const Context& context, std::size_t steps, Part part) {
        const std::size_t all = steps * n_lanes(), vectors = bias_order_.size();
        const View<const T> gates(gates_.data(), all, vectors * unit_, gate_ld_);
        const View<const T> h(before(context), all, width_, state_ld_);
        groups_.for_each(part, outer_panels(level_, vectors), [&](std::size_t group, Range panels) {
            const auto rows = groups_.rows(group, steps);
            const Range share = outer_share(level_, vectors, panels);
            Sums& to = sums_[group];
            if (plan_.ids) {
                matmul_outer<T, 1>(level_, {{{h, &to.wh, Shape::hidden_stripes}}}, gates, rows, to.b.data(),
                                   share);
                scatter_add<T>(level_, x.ids, gates, rows, to.wi, nullptr, share);
            } else {
                matmul_outer<T, 2>(
                    level_, {{{h, &to.wh, Shape::hidden_stripes}, {x.dense, &to.wi, Shape::input_stripes}}},
                    gates, rows, to.b.data(), share);
            }
        });
    }

    void collect(GatedParams<T>& d, Part part) const {
        const std::size_t vectors = bias_order_.size();
        const Range share{part.begin(vectors), part.end(vectors)};
        const auto wh = [](const Sums& s) -> const OuterSums<T>& { return s.wh; };
        const auto wi = [](const Sums& s) -> const OuterSums<T>& { return s.wi; };
        add_up(sums_, wh, hidden_order_, Shape::hidden_stripes, share, {0, width_}, d.Wh.data(),
               d.Wh.shape(1));
        add_up(sums_, wi, order_, Shape::input_stripes, share, {0, in_}, d.Wi.data(), d.Wi.shape(1));
        for (std::size_t v = share.first; v < share.last; ++v) {
            const auto from = [&](const Sums& s) { return s.b.data() + v * unit_; };
            add_up(sums_, from, bias_order_[v].count, d.b.data() + bias_order_[v].first);
        }
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
    [[nodiscard]] std::size_t steps_at_once(Lanes lanes) const {
        return std::max<std::size_t>(1, matmul_rows(level_) / std::max<std::size_t>(1, lanes.count));
    }
    T* state_row(std::size_t row) { return state_.data() + row * state_ld_; }
    [[nodiscard]] const T* before(const Context& context) const {
        return context.begins != nullptr ? previous_.data() : state_.data();
    }
    [[nodiscard]] std::size_t panels() const { return padded_ / (unit_ * Shape::blocks); }
    /// The step that reads these rows, some panels of it.
    [[nodiscard]] GateStep<Cell, T> gate_step(const Cell& cell, const Input<T>& x, const Context& context,
                                              std::size_t row, std::size_t count, Range of) {
        T* const gates = gates_.data() + row * gate_ld_;
        return {cell,
                wh_,
                width_,
                padded_,
                count,
                plan_.ids ? x.ids + row : nullptr,
                plan_.ids ? table_.data() : gates,
                gate_ld_,
                bias_.data(),
                before(context) + row * state_ld_,
                state_row(row + n_lanes()),
                state_ld_,
                gates,
                gate_ld_,
                of};
    }
    static void step(const GateStep<Cell, T>& kernel) {
        if constexpr (std::is_same_v<T, float>) {
            using OnTiles = GateStepOnTiles<Cell>;
            if (kernel.wh.on_tiles()) {
                amx::run(OnTiles{kernel, amx::room(OnTiles::room_size(kernel.count, kernel.width))});
                return;
            }
        }
        simd::dispatch(kernel.wh.level(), kernel);
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
    /// The sums over the rows of each of groups_.
    struct Sums {
        OuterSums<T> wi, wh;
        Buffer<T> b;
    };

    Plan plan_;
    std::size_t in_, width_;
    Simd level_ = Simd::baseline;
    std::size_t unit_ = 0, padded_ = 0, gate_ld_ = 0, state_ld_ = 0, d_x_ld_ = 0;
    std::vector<ColumnRun> order_, hidden_order_, bias_order_;
    PackedMatrix<T> wi_, wh_, wi_back_, wh_back_;
    Buffer<T> table_, bias_;
    WindowBuffer<T> gates_, state_, previous_, d_x_;
    Buffer<T> carry_;
    SumGroups groups_;
    std::vector<Sums> sums_;
};

}  // namespace charrnn::detail
