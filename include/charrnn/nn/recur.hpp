#pragma once

#include <cstddef>
#include <ostream>
#include <type_traits>
#include <utility>

#include <charrnn/core/error.hpp>
#include <charrnn/nn/cell.hpp>
#include <charrnn/nn/gated.hpp>
#include <charrnn/nn/layer.hpp>
#include <charrnn/nn/stepwise.hpp>

namespace charrnn {

/// A recurrent layer: a cell run over the steps of a window, its state carried from step to step.
///
///     s_t = cell(x_t, s_(t-1)),  y_t = part 0 of s_t
///
/// Shapes:  x (T, N, D), state parts (N, H) -> y (T, N, H)
/// Gradients stop at the window's edge, and inside it every Context::truncate steps.
/// Errors:  value_error for a width of 0, or above 2^30
/// Source:  Werbos 1990 (back-propagation through time); Williams and Peng 1990 (truncation)
template <Cell C, class T = float>
class Recur {
  public:
    using value_type = T;
    using Params = typename C::template Params<T>;

    /// A layer with first values drawn from `random`.
    explicit Recur(C cell, Random& random = default_random());
    /// A layer with given parameters.
    Recur(C cell, Params params) : cell_(check(std::move(cell))), params_(std::move(params)) {}

    /// The cell, without its parameters.
    [[nodiscard]] const C& cell() const { return cell_; }
    [[nodiscard]] std::size_t in_size() const { return cell_.in; }
    [[nodiscard]] std::size_t out_size() const { return cell_.out; }
    [[nodiscard]] std::size_t state_parts() const { return C::parts; }
    Params& params() { return params_; }
    [[nodiscard]] const Params& params() const { return params_; }
    /// Where the parameters stand below the layer's name.
    static constexpr const char* prefix = "cell.";

    /// The same layer with another scalar.
    template <class U>
    [[nodiscard]] Recur<C, U> cast() const {
        Random random;
        Recur<C, U> other(cell_, random);
        detail::convert(other.params(), params_);
        return other;
    }

    /// The workspace: gated cells share one, cells with a step of their own another.
    struct Tape : std::conditional_t<GatedCell<C>, detail::GatedTape<C, T>, detail::StepTape<C, T>> {
        Tape(const Recur& layer, const Plan& plan)
            : std::conditional_t<GatedCell<C>, detail::GatedTape<C, T>, detail::StepTape<C, T>>(layer.cell_,
                                                                                                plan) {}
    };

    void prepare(Tape& tape, Part part) const { tape.prepare(params_, part); }

    void forward(Tape& tape, const Input<T>& x, const Context& context, std::size_t steps,
                 Lanes lanes) const {
        tape.forward(cell_, x, context, steps, lanes);
    }

    /// One step of one lane: a part of the units.
    void forward_part(Tape& tape, const Input<T>& x, Part part) const requires GatedCell<C> {
        tape.forward_part(cell_, x, part);
    }

    void backward(Tape& tape, const Input<T>& x, View<const T> d_y, const Context& context, std::size_t steps,
                  Lanes lanes) const {
        if constexpr (GatedCell<C>)
            tape.backward(cell_, d_y, context, steps, lanes);
        else
            tape.backward(cell_, x, d_y, context, steps, lanes);
    }

    void gradient(Tape& tape, const Input<T>& x, View<const T>, const Context& context, std::size_t steps,
                  Part part) const {
        if constexpr (GatedCell<C>) tape.gradient(x, context, steps, part);
    }
    void collect(const Tape& tape, Params& d_params, Part part) const { tape.collect(d_params, part); }

    friend std::ostream& operator<<(std::ostream& out, const Recur& r) {
        return out << "Recur(" << r.cell_ << ")";
    }

  private:
    static C check(C cell);

    C cell_;
    Params params_;
};

// Outside the class, and so not inline: see instances.hpp.
template <Cell C, class T>
Recur<C, T>::Recur(C cell, Random& random)
    : cell_(check(std::move(cell))), params_(cell_.template init<T>(random)) {}
template <Cell C, class T>
C Recur<C, T>::check(C cell) {
    detail::check_widths(printed(cell), cell.in, cell.out);
    return cell;
}

}  // namespace charrnn
