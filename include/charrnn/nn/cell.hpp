#pragma once

#include <concepts>
#include <cstddef>

#include <charrnn/core/random.hpp>
#include <charrnn/core/simd.hpp>
#include <charrnn/core/tensor.hpp>
#include <charrnn/core/view.hpp>
#include <charrnn/nn/init.hpp>

/// @file
/// What a recurrent cell is.
///
/// A cell is a plain class: its input width D, its width H, and how many parts of width H its state has (LSTM: h
/// and c). Part 0 is the output. Its parameters are a member template on the scalar, `Params<T>`, made by
/// `init<T>(random)`. It says what happens in one step in one of two ways:
///
/// - A *gated* cell (`GatedCell`) has pre-activations that are sums of products, and elementwise rules `gate` and
///   `gate_back`. `Recur` makes the products over the whole window and runs the rules on vectors in registers.
/// - Any other cell (`StepCell`) has `step` and `step_back` on the rows of one time step.

namespace charrnn {

/// The parameters of a gated cell: Wi (D, input blocks * H), Wh (H, hidden blocks * H), b (gates * H), blocks
/// side by side in the cell's storage order.
template <class T>
struct GatedParams {
    using value_type = T;
    Matrix<T> Wi;  ///< of the input
    Matrix<T> Wh;  ///< of the state
    Vector<T> b;   ///< the biases

    template <class F>
    void visit(F&& f) {
        f("Wi", Wi), f("Wh", Wh), f("b", b);
    }
    template <class F>
    void visit(F&& f) const {
        f("Wi", Wi), f("Wh", Wh), f("b", b);
    }
};

/// Glorot-uniform parameters for a gated cell.
template <class T, class Cell>
GatedParams<T> glorot_gated(const Cell& cell, Random& random) {
    GatedParams<T> p;
    p.Wi.resize({cell.in, Cell::input_blocks.size() * cell.out});
    p.Wh.resize({cell.out, Cell::hidden_blocks.size() * cell.out});
    p.b.resize({Cell::gates * cell.out});
    init::glorot_uniform(p.Wi, random);
    init::glorot_uniform(p.Wh, random);
    init::glorot_uniform(p.b, random);
    return p;
}

/// Sizes, state and parameters: what every cell has.
template <class C>
concept AnyCell = std::copyable<C> && requires(const C& cell, Random& random) {
    { cell.in } -> std::convertible_to<std::size_t>;
    { cell.out } -> std::convertible_to<std::size_t>;
    { C::parts } -> std::convertible_to<std::size_t>;
    typename C::template Params<float>;
    { cell.template init<float>(random) } -> std::same_as<typename C::template Params<float>>;
};

/// A cell whose step is products followed by elementwise rules:
///
///     g = x Wi + h Wh + b          (blocks of H columns; see input_blocks and hidden_blocks)
///     gate(g, s)                   s: the state before, then after; g: pre-activations, then what gate_back needs
///     gate_back(g, before, after, d)   d: gradient of the state after, then of the state before without the
///                                      share that goes through g; g: then the gradient of the pre-activations
///
/// `input_blocks[i]` is the gate that block i of Wi belongs to, `hidden_blocks` likewise for Wh.
template <class C>
concept GatedCell = AnyCell<C> &&
    requires(const C& cell, simd::Pack<float, 16> (&g)[C::gates], simd::Pack<float, 16> (&s)[C::parts]) {
    { C::gates } -> std::convertible_to<std::size_t>;
    C::input_blocks.size();
    C::hidden_blocks.size();
    cell.gate(g, s);
    cell.gate_back(g, s, s, s);
};

/// The state of some lanes: parts of (n, H).
template <class T, std::size_t Parts>
struct StateView {
    View<T> part[Parts];  ///< each (n, H)
    /// Part i.
    View<T>& operator[](std::size_t i) { return part[i]; }
    /// Part i.
    const View<T>& operator[](std::size_t i) const { return part[i]; }
};

/// A cell with rules for the n rows of one time step:
///
///     step(params, x, before, after, tape)       x (n, D); after: written; tape (n, tape_size()): for step_back
///     step_back(params, x, before, after, tape, d_after, d_x, d_before, d_params)
///
/// d_after is the whole gradient of the state after; d_x and d_before are written, d_params is added to. The tape is
/// a step's own memory: step_back may write there too, so that no step allocates.
template <class C>
concept StepCell = AnyCell<C> && !GatedCell<C> &&
                   requires(const C& cell, const typename C::template Params<float>& p,
                            typename C::template Params<float>& d_p, View<const float> x, View<float> d_x,
                            StateView<const float, C::parts> in, StateView<float, C::parts> out) {
    { cell.tape_size() } -> std::convertible_to<std::size_t>;
    cell.step(p, x, in, out, d_x);
    cell.step_back(p, x, in, in, d_x, in, d_x, out, d_p);
};

/// A recurrent cell.
template <class C>
concept Cell = GatedCell<C> || StepCell<C>;

}  // namespace charrnn
