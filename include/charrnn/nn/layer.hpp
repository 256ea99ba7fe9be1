#pragma once

#include <algorithm>
#include <concepts>
#include <cstddef>
#include <memory>
#include <ostream>
#include <string>
#include <vector>

#include <charrnn/core/context.hpp>
#include <charrnn/core/error.hpp>
#include <charrnn/core/once.hpp>
#include <charrnn/nn/parameters.hpp>

/// @file
/// What a layer is, and a layer at work.
///
/// A layer holds parameters only. All that one window needs (recurrent state, activations, private copies of the
/// weights) is in its `Tape`, made once for a `Plan`; so one layer can train, be probed and write text side by
/// side, and nothing disturbs anything else.

namespace charrnn {

/// The recurrent state of a layer: its parts, each (N, H); none for a layer without state.
template <class T>
using LayerState = std::vector<Matrix<T>>;

/// A layer:
///
///     Tape(layer, plan)                                  room for a window
///     layer.prepare(tape, part)                          renew private copies of the weights
///     layer.forward(tape, x, context, steps, lanes)      for a group of lanes; the result is tape.output(steps)
///     layer.backward(tape, x, d_y, context, steps, lanes)    the input's gradient is tape.d_input(steps)
///     layer.gradient(tape, x, d_y, context, steps, part)     after all groups: sums over rows, see SumGroups
///     layer.collect(tape, d_params, part)                    after all parts of that: the parameters' gradient
///     L::prefix                                          goes before its parameters' names: "cell.", or ""
///
/// and, where it can, for one step of one lane on several threads (without it, the first of them makes all):
///
///     layer.forward_part(tape, x, part)                  a part of the units, of the first step of the first lane
///
/// forward and backward are called for disjoint groups of lanes at the same time, prepare, gradient, collect and forward_part
/// for disjoint parts. The rows of output and d_input have room for whole vectors: see row_stride.
template <class L>
concept Layer = std::copyable<L> &&
    requires(const L& layer, L& mutable_layer, typename L::Tape& tape, const typename L::Tape& const_tape,
             typename L::Params& d_params, const Input<typename L::value_type>& x,
             View<const typename L::value_type> d_y, const Context& context, Lanes lanes, Part part,
             std::ostream& out) {
    typename L::value_type;
    { layer.in_size() } -> std::same_as<std::size_t>;
    { layer.out_size() } -> std::same_as<std::size_t>;
    { layer.state_parts() } -> std::same_as<std::size_t>;
    { mutable_layer.params() } -> std::same_as<typename L::Params&>;
    { L::prefix } -> std::convertible_to<std::string>;
    layer.prepare(tape, part);
    layer.forward(tape, x, context, std::size_t{}, lanes);
    layer.backward(tape, x, d_y, context, std::size_t{}, lanes);
    layer.gradient(tape, x, d_y, context, std::size_t{}, part);
    layer.collect(const_tape, d_params, part);
    { const_tape.output(std::size_t{}) } -> std::convertible_to<View<const typename L::value_type>>;
    { const_tape.d_input(std::size_t{}) } -> std::convertible_to<View<const typename L::value_type>>;
    { out << layer } -> std::same_as<std::ostream&>;
};

namespace detail {

/// What `print` writes of a thing.
std::string printed_by(void (*print)(std::ostream&, const void*), const void* thing);

/// The greatest width of a layer. Sizes of arrays are products of widths, which must not overflow; and a negative number is a
/// width far above this.
inline constexpr std::size_t max_width = std::size_t{1} << 30U;
/// That a layer can have such widths. Errors: value_error, naming the layer
void check_widths(const std::string& layer, std::size_t in, std::size_t out);

}  // namespace detail

/// A type as one writes it, for messages: what operator<< prints.
template <class L>
std::string printed(const L& thing) {
    return detail::printed_by([](std::ostream& out, const void* it) { out << *static_cast<const L*>(it); },
                              &thing);
}

/// A layer at work, with its type erased: the layer, its tape and its gradient. One virtual call a window.
template <class T>
class Stage {
  public:
    virtual ~Stage() = default;
    Stage() = default;
    Stage(const Stage&) = delete;
    Stage& operator=(const Stage&) = delete;

    virtual void prepare(Part part) = 0;
    virtual void forward(const Input<T>& x, const Context& context, std::size_t steps, Lanes lanes) = 0;
    /// One step of one lane, this part's share of the output.
    virtual void forward_part(const Input<T>& x, Part part) = 0;
    virtual void backward(const Input<T>& x, View<const T> d_y, const Context& context, std::size_t steps,
                          Lanes lanes) = 0;
    virtual void gradient(const Input<T>& x, View<const T> d_y, const Context& context, std::size_t steps,
                          Part part) = 0;
    virtual void collect(Part part) = 0;
    [[nodiscard]] virtual View<const T> output(std::size_t steps) const = 0;
    [[nodiscard]] virtual View<const T> d_input(std::size_t steps) const = 0;
    /// Make room for states that begin inside a window (Context::begins).
    virtual void allow_begins() = 0;
    /// Read the state at the window's beginning, or write the one after `steps` steps.
    virtual void load(const LayerState<T>& state) = 0;
    /// Write the state after `steps` steps.
    virtual void store(LayerState<T>& state, std::size_t steps) = 0;
    /// Make the state after `steps` steps that at the window's beginning, for a group of lanes.
    virtual void advance(std::size_t steps, Lanes lanes) = 0;
    /// The gradient of the state at the window's beginning.
    [[nodiscard]] virtual LayerState<T> d_state() const = 0;
    /// The gradient of the parameters.
    virtual void append_gradients(const std::string& prefix, std::vector<Parameter<T>>& list) = 0;
};

/// The stage of a layer of type L, which must outlive it.
template <Layer L>
class StageOf final : public Stage<typename L::value_type> {
    using T = typename L::value_type;

  public:
    StageOf(const L& layer, const Plan& plan);
    void prepare(Part part) override;
    void forward(const Input<T>& x, const Context& context, std::size_t steps, Lanes lanes) override;
    void forward_part(const Input<T>& x, Part part) override;
    void backward(const Input<T>& x, View<const T> d_y, const Context& context, std::size_t steps,
                  Lanes lanes) override;
    void gradient(const Input<T>& x, View<const T> d_y, const Context& context, std::size_t steps,
                  Part part) override;
    void collect(Part part) override;
    [[nodiscard]] View<const T> output(std::size_t steps) const override;
    [[nodiscard]] View<const T> d_input(std::size_t steps) const override;
    void allow_begins() override;
    void load(const LayerState<T>& state) override;
    void store(LayerState<T>& state, std::size_t steps) override;
    void advance(std::size_t steps, Lanes lanes) override;
    [[nodiscard]] LayerState<T> d_state() const override;
    void append_gradients(const std::string& prefix, std::vector<Parameter<T>>& list) override;

  private:
    static constexpr bool has_state = requires(typename L::Tape & tape) { tape.state(0, 0); };

    static View<const T> view(const Matrix<T>& m) { return {m.data(), m.shape(0), m.shape(1)}; }
    static View<T> view(Matrix<T>& m) { return {m.data(), m.shape(0), m.shape(1)}; }
    static void copy(View<const T> from, View<T> to) {
        for (std::size_t n = 0; n < from.rows; ++n) std::copy_n(from.row(n), from.cols, to.row(n));
    }

    const L& layer_;
    std::size_t lanes_;
    typename L::Tape tape_;
    typename L::Params d_params_;
};

// Outside the class, and so not inline: see instances.hpp.

template <Layer L>
StageOf<L>::StageOf(const L& layer, const Plan& plan)
    : layer_(layer), lanes_(plan.extent.lanes), tape_(layer, plan) {
    if (plan.backward) d_params_ = layer.params();
}
template <Layer L>
void StageOf<L>::prepare(Part part) {
    layer_.prepare(tape_, part);
}
template <Layer L>
void StageOf<L>::forward(const Input<T>& x, const Context& context, std::size_t steps, Lanes lanes) {
    layer_.forward(tape_, x, context, steps, lanes);
}
template <Layer L>
void StageOf<L>::forward_part(const Input<T>& x, Part part) {
    if constexpr (requires { layer_.forward_part(tape_, x, part); })
        layer_.forward_part(tape_, x, part);
    else if (part.index == 0)
        layer_.forward(tape_, x, {}, 1, Lanes{0, 1});
}
template <Layer L>
void StageOf<L>::backward(const Input<T>& x, View<const T> d_y, const Context& context, std::size_t steps,
                          Lanes lanes) {
    layer_.backward(tape_, x, d_y, context, steps, lanes);
}
template <Layer L>
void StageOf<L>::gradient(const Input<T>& x, View<const T> d_y, const Context& context, std::size_t steps,
                          Part part) {
    layer_.gradient(tape_, x, d_y, context, steps, part);
}
template <Layer L>
void StageOf<L>::collect(Part part) {
    layer_.collect(tape_, d_params_, part);
}
template <Layer L>
auto StageOf<L>::output(std::size_t steps) const -> View<const T> {
    return tape_.output(steps);
}
template <Layer L>
auto StageOf<L>::d_input(std::size_t steps) const -> View<const T> {
    return tape_.d_input(steps);
}
template <Layer L>
void StageOf<L>::allow_begins() {
    if constexpr (requires { tape_.allow_begins(); }) tape_.allow_begins();
}
template <Layer L>
void StageOf<L>::load(const LayerState<T>& state) {
    if constexpr (has_state)
        for (std::size_t p = 0; p < layer_.state_parts(); ++p)
            copy(View<const T>(view(state[p])), tape_.state(0, p));
}
template <Layer L>
void StageOf<L>::store(LayerState<T>& state, std::size_t steps) {
    if constexpr (has_state)
        for (std::size_t p = 0; p < layer_.state_parts(); ++p)
            copy(View<const T>(tape_.state(steps, p)), view(state[p]));
}
template <Layer L>
void StageOf<L>::advance(std::size_t steps, Lanes lanes) {
    if constexpr (has_state)
        for (std::size_t p = 0; p < layer_.state_parts(); ++p)
            copy(View<const T>(tape_.state(steps, p)).slice(lanes.first, lanes.count),
                 tape_.state(0, p).slice(lanes.first, lanes.count));
}
template <Layer L>
auto StageOf<L>::d_state() const -> LayerState<T> {
    LayerState<T> d;
    if constexpr (has_state)
        for (std::size_t p = 0; p < layer_.state_parts(); ++p) {
            d.push_back(xt::zeros<T>({lanes_, layer_.out_size()}));
            copy(tape_.d_state(p), view(d.back()));
        }
    return d;
}
template <Layer L>
void StageOf<L>::append_gradients(const std::string& prefix, std::vector<Parameter<T>>& list) {
    detail::append_parameters(list, prefix + layer_.prefix, d_params_);
}

/// The parameters of a layer without any.
template <class T>
struct NoParams {
    using value_type = T;
    template <class F>
    void visit(F&&) const {}
};

}  // namespace charrnn

#ifdef CHARRNN_ONCE
#include <locale>
#include <sstream>

namespace charrnn::detail {

CHARRNN_ONCE std::string printed_by(void (*print)(std::ostream&, const void*), const void* thing) {
    std::ostringstream out;
    out.imbue(std::locale::classic());  // fingerprints and files hold such text
    print(out, thing);
    return out.str();
}

CHARRNN_ONCE void check_widths(const std::string& layer, std::size_t in, std::size_t out) {
    if (in == 0 || out == 0 || in > max_width || out > max_width)
        throw value_error(layer + ": expected an input and an output width from 1 to " +
                          std::to_string(max_width));
}

}  // namespace charrnn::detail
#endif
