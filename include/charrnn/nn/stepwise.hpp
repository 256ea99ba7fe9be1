#pragma once

#include <algorithm>
#include <cstddef>
#include <vector>

#include <charrnn/core/buffer.hpp>
#include <charrnn/core/context.hpp>
#include <charrnn/core/error.hpp>
#include <charrnn/nn/cell.hpp>
#include <charrnn/nn/parameters.hpp>

namespace charrnn::detail {

/// The workspace of a cell that does its own step, over a window. Ids are turned into one-hot rows. The
/// parameters' gradient is kept for each group of lanes and summed in the groups' order, so here, other than in
/// a gated cell, the last bits depend on the number of groups (not on the number of threads).
template <class Cell, class T>
class StepTape {
    static constexpr std::size_t parts = Cell::parts;
    using Params = typename Cell::template Params<T>;

  public:
    StepTape(const Cell& cell, const Plan& plan)
        : plan_(plan),
          in_(cell.in),
          width_(cell.out),
          state_ld_(row_stride<T>(parts * cell.out)),
          tape_width_(cell.tape_size()) {
        const std::size_t rows = plan.extent.rows();
        state_.resize((rows + plan.extent.lanes) * state_ld_);
        tape_.resize(rows * tape_width_);
        if (plan.ids) one_hot_.resize(rows * in_);
        if (!plan.backward) return;
        d_x_ld_ = row_stride<T>(in_);
        d_x_.resize(rows * d_x_ld_);
        carry_.resize(plan.extent.lanes * state_ld_);
        d_before_.resize(carry_.size());
    }

    void prepare(const Params& p, Part part) {
        if (part.index != 0) return;  // nothing to share out, and one thread only may write
        params_ = &p;
        if (plan_.backward && d_params_.empty()) d_params_.assign(plan_.groups, p);
    }

    void forward(const Cell& cell, const Input<T>& x, const Context& context, std::size_t steps,
                 Lanes lanes) {
        if (context.begins != nullptr && previous_.empty())
            throw value_error("Context::begins is given, but allow_begins() was not called");
        for (std::size_t t = 0; t < steps; ++t) {
            const std::size_t row = t * n_lanes() + lanes.first;
            if (plan_.ids)
                for (std::size_t r = row; r < row + lanes.count; ++r) {
                    std::fill_n(one_hot_.data() + r * in_, in_, T(0));
                    one_hot_[r * in_ + x.ids[r]] = T(1);
                }
            if (context.begins != nullptr)
                for (std::size_t r = row; r < row + lanes.count; ++r) {
                    T* to = previous_.data() + r * state_ld_;
                    const T* from = state_.data() + r * state_ld_;
                    if (context.begins[r] != 0)
                        std::fill_n(to, parts * width_, T(0));
                    else
                        std::copy_n(from, parts * width_, to);
                }
            cell.step(*params_, input(x, row, lanes.count), read(parts_of(before(context), row, lanes.count)),
                      parts_of(state_, row + n_lanes(), lanes.count), tape_at(row, lanes.count));
        }
    }

    void backward(const Cell& cell, const Input<T>& x, View<const T> d_y, const Context& context,
                  std::size_t steps, Lanes lanes) {
        zero(d_params_[lanes.group]);
        const auto carry = parts_of(carry_, lanes.first, lanes.count);
        const auto d_before = parts_of(d_before_, lanes.first, lanes.count);
        clear(carry);
        for (std::size_t t = steps; t-- > 0;) {
            const std::size_t row = t * n_lanes() + lanes.first;
            if (context.truncate > 0 && (t + 1) % context.truncate == 0 && t + 1 < steps) clear(carry);
            for (std::size_t n = 0; n < lanes.count; ++n)
                for (std::size_t j = 0; j < width_; ++j) carry[0](n, j) += d_y(row + n, j);
            cell.step_back(*params_, input(x, row, lanes.count),
                           read(parts_of(before(context), row, lanes.count)),
                           read(parts_of(state_, row + n_lanes(), lanes.count)), tape_at(row, lanes.count),
                           read(carry), View<T>(d_x_.data() + row * d_x_ld_, lanes.count, in_, d_x_ld_),
                           d_before, d_params_[lanes.group]);
            for (std::size_t p = 0; p < parts; ++p)
                for (std::size_t n = 0; n < lanes.count; ++n) {
                    const bool begins = context.begins != nullptr && context.begins[row + n] != 0;
                    for (std::size_t j = 0; j < width_; ++j)
                        carry[p](n, j) = begins ? T(0) : d_before[p](n, j);
                }
        }
    }

    void collect(Params& d, Part part) const {
        if (part.index != 0) return;
        zero(d);
        std::vector<T*> to;
        d.visit([&](const char*, auto& array) { to.push_back(array.data()); });
        for (const Params& group : d_params_) {
            std::size_t i = 0;
            group.visit([&](const char*, const auto& array) {
                for (std::size_t k = 0; k < array.size(); ++k) to[i][k] += array.data()[k];
                ++i;
            });
        }
    }

    [[nodiscard]] View<const T> output(std::size_t steps) const {
        return {state_.data() + n_lanes() * state_ld_, steps * n_lanes(), width_, state_ld_};
    }
    [[nodiscard]] View<const T> d_input(std::size_t steps) const {
        return {d_x_.data(), steps * n_lanes(), in_, d_x_ld_};
    }
    [[nodiscard]] View<T> state(std::size_t t, std::size_t p) {
        return parts_of(state_, t * n_lanes(), n_lanes())[p];
    }
    [[nodiscard]] View<const T> d_state(std::size_t p) const {
        return {carry_.data() + p * width_, n_lanes(), width_, state_ld_};
    }
    void allow_begins() { previous_.resize(plan_.extent.rows() * state_ld_); }

  private:
    [[nodiscard]] std::size_t n_lanes() const { return plan_.extent.lanes; }
    template <class B>
    auto parts_of(B& buffer, std::size_t row, std::size_t count) const {
        using U = std::remove_pointer_t<decltype(buffer.data())>;
        StateView<U, parts> s;
        for (std::size_t p = 0; p < parts; ++p)
            s[p] = View<U>(buffer.data() + row * state_ld_ + p * width_, count, width_, state_ld_);
        return s;
    }
    static StateView<const T, parts> read(const StateView<T, parts>& s) {
        StateView<const T, parts> r;
        for (std::size_t p = 0; p < parts; ++p) r[p] = s[p];
        return r;
    }
    static StateView<const T, parts> read(const StateView<const T, parts>& s) { return s; }
    static void clear(const StateView<T, parts>& s) {
        for (std::size_t p = 0; p < parts; ++p)
            for (std::size_t n = 0; n < s[p].rows; ++n) std::fill_n(s[p].row(n), s[p].cols, T(0));
    }
    const Buffer<T>& before(const Context& context) const {
        return context.begins != nullptr ? previous_ : state_;
    }
    View<const T> input(const Input<T>& x, std::size_t row, std::size_t count) const {
        if (plan_.ids) return {one_hot_.data() + row * in_, count, in_};
        return {x.dense.row(row), count, in_, x.dense.ld};
    }
    View<T> tape_at(std::size_t row, std::size_t count) {
        return {tape_.data() + row * tape_width_, count, tape_width_};
    }

    Plan plan_;
    std::size_t in_, width_, state_ld_, tape_width_, d_x_ld_ = 0;
    const Params* params_ = nullptr;
    std::vector<Params> d_params_;
    Buffer<T> state_, previous_, tape_, one_hot_, d_x_, carry_, d_before_;
};

}  // namespace charrnn::detail
