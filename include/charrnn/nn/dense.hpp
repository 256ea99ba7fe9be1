#pragma once

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <map>
#include <ostream>
#include <string>
#include <vector>

#include <charrnn/core/buffer.hpp>
#include <charrnn/core/error.hpp>
#include <charrnn/core/fetch_ahead.hpp>
#include <charrnn/core/matmul.hpp>
#include <charrnn/core/outer.hpp>
#include <charrnn/core/scatter_add.hpp>
#include <charrnn/core/sum_groups.hpp>
#include <charrnn/nn/activation.hpp>
#include <charrnn/nn/init.hpp>
#include <charrnn/nn/layer.hpp>

namespace charrnn {

/// The parameters of a Dense layer: W (D, K), b (K).
template <class T>
struct DenseParams {
    using value_type = T;
    /// (D, K)
    Matrix<T> W;
    Vector<T> b;  ///< (K)

    template <class F>
    void visit(F&& f) {
        f("W", W), f("b", b);
    }
    template <class F>
    void visit(F&& f) const {
        f("W", W), f("b", b);
    }
};

namespace detail {

/// y = f(x) on rows, or d_x = d_y * f'(x).
template <class T>
struct ActivateRows {
    Activation activation;
    View<const T> x;
    View<T> y;
    View<const T> d_y;  // none: forward
    View<T> d_x;

    template <class Isa>
    CHARRNN_INLINE void operator()(Isa) const {
        using V = typename Isa::template pack<T>;
        for (std::size_t r = 0; r < x.rows; ++r)
            for (std::size_t j = 0; j < x.cols; j += V::size) {
                const V in = V::load(x.row(r) + j);
                if (d_y)
                    (V::load(d_y.row(r) + j) * activation.derivative(in, V::load(y.row(r) + j)))
                        .store(d_x.row(r) + j);
                else
                    activation.apply(in).store(y.row(r) + j);
            }
    }
};

}  // namespace detail

/// y = f(x W + b).
///
/// Shapes:  x (T, N, D) or ids (T, N) -> y (T, N, K); W (D, K), b (K)
/// First values: Glorot uniform W, zero b.
/// Errors:  value_error for a width of 0, or above 2^30
/// Source:  Flux's Dense
template <class T = float>
class Dense {
  public:
    using value_type = T;
    using Params = DenseParams<T>;

    Dense(std::size_t in, std::size_t out, Activation activation = activation::identity,
          Random& random = default_random());
    Dense(std::size_t in, std::size_t out, Random& random) : Dense(in, out, activation::identity, random) {}

    [[nodiscard]] std::size_t in_size() const { return params_.W.shape(0); }
    [[nodiscard]] std::size_t out_size() const { return params_.W.shape(1); }
    [[nodiscard]] std::size_t state_parts() const { return 0; }
    /// f
    [[nodiscard]] const Activation& activation() const { return activation_; }
    Params& params() { return params_; }
    [[nodiscard]] const Params& params() const { return params_; }
    static constexpr const char* prefix = "";
    static constexpr const char* short_name = "dense";
    /// What a file says of the layer beside its widths.
    [[nodiscard]] std::map<std::string, std::string> options() const {
        return {{"activation", activation_.name}};
    }

    template <class U>
    [[nodiscard]] Dense<U> cast() const {
        Random random;
        Dense<U> other(in_size(), out_size(), activation_, random);
        detail::convert(other.params(), params_);
        return other;
    }

    class Tape {
      public:
        Tape(const Dense& layer, const Plan& plan)
            : plan_(plan),
              in_(layer.in_size()),
              out_(layer.out_size()),
              level_(product_level<T>(plan)),
              groups_(plan.extent) {
            const std::size_t unit = simd::width(level_) / sizeof(T);
            const std::size_t rows = plan.extent.rows();
            ld_ = row_stride<T>(out_);
            x_ld_ = row_stride<T>(in_);
            linear_ = layer.activation_.kind == Activation::Kind::identity;
            y_.resize(rows * ld_);
            if (!linear_) pre_.resize(rows * ld_);
            bias_.resize(ld_);
            order_ = plain_columns(out_, unit);
            w_ = PackedMatrix<T>(level_, in_, order_, matmul_panel(level_));
            if (plan.ids) table_.resize(in_ * ld_);
            if (!plan.backward) return;
            if (!linear_) d_pre_.resize(rows * ld_);
            for (std::size_t g = 0; g < groups_.size(); ++g)
                sums_.push_back(
                    {plan.ids ? OuterSums<T>::by_rows(level_, in_, out_) : OuterSums<T>(level_, in_, out_),
                     Buffer<T>(ld_)});
            if (!plan.input_gradient) return;
            d_x_.resize(rows * x_ld_);
            w_back_ = PackedMatrix<T>(level_, out_, plain_columns(in_, unit), matmul_panel(level_));
        }

        [[nodiscard]] View<const T> output(std::size_t steps) const {
            return {y_.data(), steps * plan_.extent.lanes, out_, ld_};
        }
        [[nodiscard]] View<const T> d_input(std::size_t steps) const {
            return {d_x_.data(), steps * plan_.extent.lanes, in_, x_ld_};
        }

      private:
        friend Dense;

        /// The gradient before the activation, for some rows.
        [[nodiscard]] View<const T> d_pre(View<const T> d_y) const {
            return linear_ ? d_y : View<const T>(d_pre_.data(), d_y.rows, out_, ld_);
        }

        Plan plan_;
        std::size_t in_, out_;
        Simd level_;
        bool linear_ = true;
        std::size_t ld_ = 0, x_ld_ = 0;
        std::vector<ColumnRun> order_;
        PackedMatrix<T> w_, w_back_;
        Buffer<T> table_, bias_, y_, pre_, d_pre_, d_x_;
        SumGroups groups_;
        struct Sums {
            OuterSums<T> w;
            Buffer<T> b;
        };
        std::vector<Sums> sums_;  // over the rows of each of groups_
    };

    void prepare(Tape& tape, Part part) const {
        const View<const T> w(params_.W.data(), in_size(), out_size());
        if (tape.plan_.ids)
            for (std::size_t i = part.begin(in_size()); i < part.end(in_size()); ++i)
                for (std::size_t j = 0; j < out_size(); ++j)
                    tape.table_[i * tape.ld_ + j] = w(i, j) + params_.b(j);
        else
            tape.w_.pack(w, part);
        if (part.index == 0) std::copy_n(params_.b.data(), out_size(), tape.bias_.data());
        if (tape.plan_.input_gradient) tape.w_back_.pack_transposed(w, tape.order_, part);
    }

    void forward(Tape& tape, const Input<T>& x, const Context&, std::size_t steps, Lanes lanes) const {
        const std::size_t in_all = tape.plan_.extent.lanes;
        T* to = tape.linear_ ? tape.y_.data() : tape.pre_.data();
        if (tape.plan_.ids)
            for (std::size_t t = 0; t < steps; ++t)
                for (std::size_t n = lanes.first; n < lanes.first + lanes.count; ++n) {
                    const std::size_t r = t * in_all + n;
                    std::copy_n(tape.table_.data() + x.ids[r] * tape.ld_, tape.ld_, to + r * tape.ld_);
                }
        else
            matmul<T>(Rows<const T>::of(x.dense.data, x.dense.ld, in_all, lanes, 0, steps), tape.w_,
                      Rows<T>::of(to, tape.ld_, in_all, lanes, 0, steps), tape.bias_.data());
        if (!tape.linear_) activate(tape, View<const T>(), steps, lanes);
    }

    /// One step of one lane: a part of the units; with an activation other than the identity, or on ids, the first part is all.
    void forward_part(Tape& tape, const Input<T>& x, Part part) const {
        if (tape.plan_.ids || !tape.linear_) {
            if (part.index == 0) forward(tape, x, {}, 1, Lanes{0, 1});
            return;
        }
        detail::fetch_all(x.dense.data, tape.in_);  // of which other threads have written parts
        matmul_share<T>(x.dense.data, tape.w_, tape.y_.data(), tape.bias_.data(), tape.w_.share(part));
    }

    void backward(Tape& tape, const Input<T>&, View<const T> d_y, const Context&, std::size_t steps,
                  Lanes lanes) const {
        const std::size_t in_all = tape.plan_.extent.lanes;
        if (!tape.linear_) activate(tape, d_y, steps, lanes);
        if (!tape.plan_.input_gradient) return;
        const View<const T> d = tape.d_pre(d_y);
        matmul<T>(Rows<const T>::of(d.data, d.ld, in_all, lanes, 0, steps), tape.w_back_,
                  Rows<T>::of(tape.d_x_.data(), tape.x_ld_, in_all, lanes, 0, steps));
    }

    void gradient(Tape& tape, const Input<T>& x, View<const T> d_y, const Context&, std::size_t steps,
                  Part part) const {
        const View<const T> d = tape.d_pre(d_y.slice(0, steps * tape.plan_.extent.lanes));
        const std::size_t vectors = tape.order_.size();
        tape.groups_.for_each(part, outer_panels(tape.level_, vectors), [&](std::size_t group, Range panels) {
            const auto rows = tape.groups_.rows(group, steps);
            const Range share = outer_share(tape.level_, vectors, panels);
            auto& to = tape.sums_[group];
            if (tape.plan_.ids)
                scatter_add<T>(tape.level_, x.ids, d, rows, to.w, to.b.data(), share);
            else
                matmul_outer<T, 1>(tape.level_, {{{x.dense, &to.w}}}, d, rows, to.b.data(), share);
        });
    }

    void collect(const Tape& tape, Params& d_params, Part part) const {
        const auto bias = [&](const auto& sums) { return sums.b.data(); };
        if (part.index == 0) add_up(tape.sums_, bias, out_size(), d_params.b.data());
        const auto w = [](const auto& sums) -> const OuterSums<T>& { return sums.w; };
        add_up(tape.sums_, w, tape.order_, {}, {0, tape.order_.size()},
               {part.begin(in_size()), part.end(in_size())}, d_params.W.data(), out_size());
    }

    friend std::ostream& operator<<(std::ostream& out, const Dense& d) {
        out << "Dense(" << d.in_size() << ", " << d.out_size();
        if (d.activation_.kind != Activation::Kind::identity) out << ", " << d.activation_;
        return out << ")";
    }

  private:
    /// Forward where d_y is empty.
    void activate(Tape& tape, View<const T> d_y, std::size_t steps, Lanes lanes) const {
        for (std::size_t t = 0; t < steps; ++t) {
            const std::size_t r = t * tape.plan_.extent.lanes + lanes.first;
            const auto rows = [&](Buffer<T>& b) {
                return View<T>(b.data() + (b.empty() ? 0 : r * tape.ld_), lanes.count, out_size(), tape.ld_);
            };
            simd::dispatch(tape.level_,
                           detail::ActivateRows<T>{activation_, rows(tape.pre_), rows(tape.y_),
                                                   d_y ? d_y.slice(r, lanes.count) : d_y, rows(tape.d_pre_)});
        }
    }

    Activation activation_;
    Params params_;
};

// Outside the class, and so not inline: see instances.hpp.
template <class T>
Dense<T>::Dense(std::size_t in, std::size_t out, Activation activation, Random& random)
    : activation_(activation) {
    detail::check_widths("Dense(" + std::to_string(in) + ", " + std::to_string(out) + ")", in, out);
    params_.W.resize({in, out});
    params_.b = xt::zeros<T>({out});
    init::glorot_uniform(params_.W, random);
}

Dense(std::size_t, std::size_t)->Dense<float>;

}  // namespace charrnn
