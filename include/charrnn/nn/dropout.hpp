#pragma once

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <map>
#include <ostream>
#include <string>

#include <charrnn/core/buffer.hpp>
#include <charrnn/core/error.hpp>
#include <charrnn/core/format.hpp>
#include <charrnn/core/random.hpp>
#include <charrnn/nn/layer.hpp>

namespace charrnn {

/// How long a unit that dropout has chosen stays away.
enum class DropoutMask {
    each_step,    ///< chosen anew in each step
    each_window,  ///< one choice for all steps of a window (Gal and Ghahramani 2016)
};

/// Dropout between layers: in training each number is 0 with probability p, and else multiplied by 1 / (1 - p);
/// otherwise it passes unchanged.
///
///     y = x * keep / (1 - p),   keep = 0 with probability p, else 1
///
/// What is dropped is a function of the seed, the training step, the layer's place in the model, lane, step and
/// unit. So a run that was resumed drops the same, and so does any number of threads and slices.
/// Shapes:  x (T, N, H) -> y (T, N, H)
/// Errors:  value_error for p outside [0, 1), or a width of 0; shape_error where it is given ids
/// Source:  Srivastava et al. 2014, in the inverted form of Flux and PyTorch
template <class T = float>
class Dropout {
  public:
    using value_type = T;
    using Params = NoParams<T>;

    Dropout(std::size_t width, double p, DropoutMask mask = DropoutMask::each_step)
        : width_(width), p_(p), mask_(mask) {
        if (width == 0) throw value_error("Dropout: the width is 0, expected at least 1");
        if (!(p >= 0 && p < 1))
            throw value_error("Dropout: p is " + std::to_string(p) + ", expected 0 or more and less than 1");
    }

    [[nodiscard]] std::size_t in_size() const { return width_; }
    [[nodiscard]] std::size_t out_size() const { return width_; }
    [[nodiscard]] std::size_t state_parts() const { return 0; }
    /// The share that is dropped.
    [[nodiscard]] double p() const { return p_; }
    /// How often the dropped ones change.
    [[nodiscard]] DropoutMask mask() const { return mask_; }
    Params& params() { return params_; }
    [[nodiscard]] const Params& params() const { return params_; }
    static constexpr const char* prefix = "";
    static constexpr const char* short_name = "dropout";
    /// For files: see LayerSpec.
    [[nodiscard]] std::map<std::string, std::string> options() const {
        return {{"p", detail::exact(p_)},
                {"mask", mask_ == DropoutMask::each_step ? "each_step" : "each_window"}};
    }

    template <class U>
    [[nodiscard]] Dropout<U> cast() const {
        return Dropout<U>(width_, p_, mask_);
    }

    class Tape {
      public:
        Tape(const Dropout& layer, const Plan& plan)
            : lanes_(plan.extent.lanes),
              width_(layer.width_),
              ld_(row_stride<T>(layer.width_)),
              layer_(plan.layer) {
            if (plan.ids)
                throw shape_error(printed(layer) + ": x is ids, expected rows of numbers: Dropout cannot " +
                                  "be the first layer of a model");
            y_.resize(plan.extent.rows() * ld_);
            if (!plan.backward) return;
            factor_.resize(plan.extent.rows() * ld_);
            d_x_.resize(plan.extent.rows() * ld_);
        }
        [[nodiscard]] View<const T> output(std::size_t steps) const {
            return {y_.data(), steps * lanes_, width_, ld_};
        }
        [[nodiscard]] View<const T> d_input(std::size_t steps) const {
            return {d_x_.data(), steps * lanes_, width_, ld_};
        }

      private:
        friend Dropout;
        std::size_t lanes_, width_, ld_, layer_;
        Buffer<T> y_, factor_, d_x_;
    };

    void prepare(Tape&, Part) const {}

    /// Errors: value_error in training for a tape that was not made for it.
    void forward(Tape& tape, const Input<T>& x, const Context& context, std::size_t steps,
                 Lanes lanes) const {
        const bool drop = context.training && p_ > 0;
        if (drop && tape.factor_.empty())
            throw value_error("Dropout: training was not planned for (Plan::backward)");
        for_rows(tape, steps, lanes, [&](std::size_t t, std::size_t n, std::size_t r) {
            const T* from = x.dense.row(r);
            T* to = tape.y_.data() + r * tape.ld_;
            if (!drop) {
                std::copy_n(from, width_, to);
                return;
            }
            T* factor = tape.factor_.data() + r * tape.ld_;
            choose(context, tape.layer_, n, mask_ == DropoutMask::each_step ? t : 0, factor);
            for (std::size_t j = 0; j < width_; ++j) to[j] = from[j] * factor[j];
        });
    }

    void backward(Tape& tape, const Input<T>&, View<const T> d_y, const Context& context, std::size_t steps,
                  Lanes lanes) const {
        const bool dropped = context.training && p_ > 0;
        for_rows(tape, steps, lanes, [&](std::size_t, std::size_t, std::size_t r) {
            const T* factor = tape.factor_.data() + r * tape.ld_;
            T* to = tape.d_x_.data() + r * tape.ld_;
            for (std::size_t j = 0; j < width_; ++j) to[j] = dropped ? d_y(r, j) * factor[j] : d_y(r, j);
        });
    }

    void gradient(Tape&, const Input<T>&, View<const T>, const Context&, std::size_t, Part) const {}
    void collect(const Tape&, Params&, Part) const {}

    friend std::ostream& operator<<(std::ostream& out, const Dropout& d) {
        out << "Dropout(" << d.width_ << ", " << d.p_;
        if (d.mask_ == DropoutMask::each_window) out << ", each_window";
        return out << ")";
    }

  private:
    template <class F>
    void for_rows(const Tape& tape, std::size_t steps, Lanes lanes, const F& f) const {
        for (std::size_t t = 0; t < steps; ++t)
            for (std::size_t n = lanes.first; n < lanes.first + lanes.count; ++n)
                f(t, n, t * tape.lanes_ + n);
    }

    /// The factors of one row: 0 or 1 / (1 - p). Each number is 32 random bits.
    void choose(const Context& context, std::size_t layer, std::size_t lane, std::size_t t, T* factor) const {
        Random of_step(context.seed, context.step);
        Random of_layer(of_step(), layer);
        Random of_lane(of_layer(), lane);
        Random random(of_lane(), t);
        const auto limit = static_cast<std::uint64_t>(p_ * 0x1p32);
        const T kept = static_cast<T>(1 / (1 - p_));
        for (std::size_t j = 0; j < width_; j += 2) {
            const std::uint64_t bits = random();
            factor[j] = (bits >> 32U) < limit ? T(0) : kept;
            if (j + 1 < width_) factor[j + 1] = (bits & 0xFFFFFFFFU) < limit ? T(0) : kept;
        }
    }

    std::size_t width_;
    double p_;
    DropoutMask mask_;
    [[no_unique_address]] Params params_;
};

Dropout(std::size_t, double)->Dropout<float>;
Dropout(std::size_t, double, DropoutMask)->Dropout<float>;

}  // namespace charrnn
