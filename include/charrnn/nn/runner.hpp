#pragma once

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <memory>
#include <string>
#include <utility>
#include <vector>

#include <charrnn/core/buffer.hpp>
#include <charrnn/core/context.hpp>
#include <charrnn/core/error.hpp>
#include <charrnn/core/tensor.hpp>
#include <charrnn/core/threads.hpp>
#include <charrnn/nn/chain.hpp>
#include <charrnn/nn/layer.hpp>
#include <charrnn/nn/loss.hpp>

namespace charrnn {

/// A model at work: its layers' stages and what passes between them. Made once for the largest window; nothing
/// is allocated afterwards. It reads the model's parameters, so the model must outlive it, and `prepare` must be
/// called when they have changed.
///
/// A pass over a window is: load, then for each group of lanes forward, loss and backward, then for each part
/// gradient, then for each part collect, then store. Groups may run on different threads, and so may parts.
template <class T>
class Runner {
  public:
    template <SequenceModel M>
    Runner(const M& model, const Plan& plan)
        : Runner(plan, model.stages(plan), model.in_size(), model.out_size()) {}

    /// What it was made for.
    [[nodiscard]] const Plan& plan() const { return plan_; }
    /// How many layers the model has.
    [[nodiscard]] std::size_t layers() const { return stages_.size(); }
    [[nodiscard]] std::size_t in_size() const { return in_; }
    [[nodiscard]] std::size_t out_size() const { return out_; }

    /// Renew the private copies of the weights: this part's share of them.
    void prepare(Part part = {});

    /// Take this as the state at the window's beginning.
    void load(const State<T>& state);
    /// Write the state after `steps` steps.
    void store(State<T>& state, std::size_t steps);
    /// Make the state after `steps` steps that at the window's beginning, for a group of lanes.
    void advance(std::size_t steps, Lanes lanes);

    /// Errors: shape_error where ids are too large is the caller's to check; see check_ids.
    void forward(const Input<T>& x, const Context& context, std::size_t steps, Lanes lanes);

    /// One step of the only lane, each layer's units shared out among the threads of a team. The numbers do not depend on how
    /// many they are.
    void forward(const Input<T>& x, Team& team);

    /// The logits, (T * N, K).
    [[nodiscard]] View<const T> output(std::size_t steps) const { return stages_.back()->output(steps); }

    /// Where backward takes the output's gradient from: to be filled by the caller, or by `loss`.
    [[nodiscard]] View<T> d_output(std::size_t steps) {
        return {d_y_.data(), steps * plan_.extent.lanes, out_, d_y_ld_};
    }

    /// The cross-entropy of each of the group's rows that counts (see Batch), and with `scale` its gradient into d_output.
    void loss(const std::uint32_t* targets, const std::uint32_t* valid, std::size_t steps, Lanes lanes,
              const T* scale, const std::uint32_t* from = nullptr);
    /// The sum of the rows' losses, in a fixed order.
    [[nodiscard]] double total_loss(std::size_t steps) const {
        double total = 0;
        for (std::size_t r = 0; r < steps * plan_.extent.lanes; ++r) total += losses_[r];
        return total;
    }
    /// The loss of each row of the last window.
    [[nodiscard]] const std::vector<double>& losses() const { return losses_; }

    void backward(const Input<T>& x, const Context& context, std::size_t steps, Lanes lanes);

    /// After backward for all groups: a part of the sums that make the parameters' gradients.
    void gradient(const Input<T>& x, const Context& context, std::size_t steps, Part part);
    /// After all parts of that: a part of the gradients.
    void collect(Part part);
    /// Both in one.
    void gradient(const Input<T>& x, const Context& context, std::size_t steps) {
        gradient(x, context, steps, Part{});
        collect(Part{});
    }

    /// The gradients, in the order and under the names of the model's parameters.
    std::vector<Parameter<T>> gradients();
    /// The gradient of the input, where planned.
    [[nodiscard]] View<const T> d_input(std::size_t steps) const { return stages_.front()->d_input(steps); }
    /// The gradient of the initial state, where planned.
    [[nodiscard]] State<T> d_state() const;
    /// Make room for states that begin inside a window (Context::begins).
    void allow_begins();

    /// Errors: shape_error naming the first id that is not below the model's input width.
    void check_ids(const std::uint32_t* ids, std::size_t count) const;

  private:
    Runner(const Plan& plan, std::vector<std::unique_ptr<Stage<T>>> stages, std::size_t in, std::size_t out);
    Input<T> input_of(std::size_t i, const Input<T>& x, std::size_t steps) const;

    Plan plan_;
    std::vector<std::unique_ptr<Stage<T>>> stages_;
    std::size_t in_, out_, d_y_ld_ = 0;
    Buffer<T> d_y_;
    std::vector<double> losses_;
};

// Outside the class, and so not inline: see instances.hpp.
template <class T>
Runner<T>::Runner(const Plan& plan, std::vector<std::unique_ptr<Stage<T>>> stages, std::size_t in,
                  std::size_t out)
    : plan_(plan), stages_(std::move(stages)), in_(in), out_(out), losses_(plan.extent.rows()) {
    if (plan.backward) {
        d_y_ld_ = row_stride<T>(out_);
        d_y_.resize(plan.extent.rows() * d_y_ld_);
    }
}
template <class T>
void Runner<T>::prepare(Part part) {
    for (auto& stage : stages_) stage->prepare(part);
}
template <class T>
void Runner<T>::load(const State<T>& state) {
    for (std::size_t i = 0; i < stages_.size(); ++i) stages_[i]->load(state[i]);
}
template <class T>
void Runner<T>::store(State<T>& state, std::size_t steps) {
    for (std::size_t i = 0; i < stages_.size(); ++i) stages_[i]->store(state[i], steps);
}
template <class T>
void Runner<T>::advance(std::size_t steps, Lanes lanes) {
    for (auto& stage : stages_) stage->advance(steps, lanes);
}
template <class T>
void Runner<T>::forward(const Input<T>& x, const Context& context, std::size_t steps, Lanes lanes) {
    Input<T> in = x;
    for (auto& stage : stages_) {
        stage->forward(in, context, steps, lanes);
        in = {nullptr, stage->output(steps)};
    }
}
template <class T>
void Runner<T>::forward(const Input<T>& x, Team& team) {
    team.run_steps(stages_.size(), [&](std::size_t stage, std::size_t i) {
        stages_[stage]->forward_part(input_of(stage, x, 1), {i, team.size()});
    });
}
template <class T>
void Runner<T>::backward(const Input<T>& x, const Context& context, std::size_t steps, Lanes lanes) {
    View<const T> d_y = d_output(steps);
    for (std::size_t i = stages_.size(); i-- > 0;) {
        stages_[i]->backward(input_of(i, x, steps), d_y, context, steps, lanes);
        d_y = stages_[i]->d_input(steps);
    }
}
template <class T>
void Runner<T>::gradient(const Input<T>& x, const Context& context, std::size_t steps, Part part) {
    View<const T> d_y = d_output(steps);
    for (std::size_t i = stages_.size(); i-- > 0;) {
        stages_[i]->gradient(input_of(i, x, steps), d_y, context, steps, part);
        d_y = stages_[i]->d_input(steps);
    }
}
template <class T>
void Runner<T>::collect(Part part) {
    for (auto& stage : stages_) stage->collect(part);
}
template <class T>
std::vector<Parameter<T>> Runner<T>::gradients() {
    std::vector<Parameter<T>> list;
    for (std::size_t i = 0; i < stages_.size(); ++i)
        stages_[i]->append_gradients(detail::layer_prefix(i), list);
    return list;
}
template <class T>
State<T> Runner<T>::d_state() const {
    State<T> d;
    for (const auto& stage : stages_) d.push_back(stage->d_state());
    return d;
}
template <class T>
void Runner<T>::allow_begins() {
    for (auto& stage : stages_) stage->allow_begins();
}
template <class T>
void Runner<T>::check_ids(const std::uint32_t* ids, std::size_t count) const {
    for (std::size_t r = 0; r < count; ++r)
        if (ids[r] >= in_)
            throw shape_error("id " + std::to_string(ids[r]) + " at step " +
                              std::to_string(r / plan_.extent.lanes) + " of lane " +
                              std::to_string(r % plan_.extent.lanes) + ": expected less than " +
                              std::to_string(in_) + ", the model's input width");
}
template <class T>
Input<T> Runner<T>::input_of(std::size_t i, const Input<T>& x, std::size_t steps) const {
    return i == 0 ? x : Input<T>{nullptr, stages_[i - 1]->output(steps)};
}
template <class T>
void Runner<T>::loss(const std::uint32_t* targets, const std::uint32_t* valid, std::size_t steps, Lanes lanes,
                     const T* scale, const std::uint32_t* from) {
    simd::dispatch(simd::level(),
                   detail::CrossEntropyRows<T>{output(steps), scale != nullptr ? d_output(steps) : View<T>(),
                                               targets, valid, plan_.extent.lanes, steps, lanes,
                                               scale != nullptr ? *scale : T(0), losses_.data(), from});
}

namespace detail {

template <class T, class M>
Tensor<T, 3> run_window(const M& model, const Input<T>& x, Extent extent, State<T>& state) {
    Runner<T> runner(model, Plan{.extent = extent, .ids = x.ids != nullptr});
    if (x.ids != nullptr) runner.check_ids(x.ids, extent.rows());
    runner.prepare();
    runner.load(state);
    runner.forward(x, {}, extent.steps, Lanes{0, extent.lanes});
    runner.store(state, extent.steps);
    const View<const T> y = runner.output(extent.steps);
    Tensor<T, 3> result({extent.steps, extent.lanes, y.cols});
    for (std::size_t r = 0; r < y.rows; ++r) std::copy_n(y.row(r), y.cols, result.data() + r * y.cols);
    if (model.ends_in_softmax()) {
        Matrix<T> rows({y.rows, y.cols});
        std::copy_n(result.data(), result.size(), rows.data());
        rows = softmax_rows(rows);
        std::copy_n(rows.data(), result.size(), result.data());
    }
    return result;
}

template <class M>
void check_alphabet(const M& model, std::size_t characters) {
    if (model.in_size() != characters || model.out_size() != characters)
        throw shape_error(printed(model) + ": reads " + std::to_string(model.in_size()) +
                          " characters and predicts " + std::to_string(model.out_size()) + ", expected " +
                          std::to_string(characters) + ", the size of the alphabet");
}

template <class T, class M>
void check_state(const M& model, const State<T>& state, std::size_t lanes) {
    const State<T> expected = model.zero_state(lanes);
    bool same = state.size() == expected.size();
    for (std::size_t i = 0; same && i < state.size(); ++i) {
        same = state[i].size() == expected[i].size();
        for (std::size_t p = 0; same && p < state[i].size(); ++p)
            same = state[i][p].shape() == expected[i][p].shape();
    }
    if (!same)
        throw shape_error(printed(model) +
                          ": the state is of another model or number of lanes, expected that of " +
                          "zero_state(" + std::to_string(lanes) + ")");
}

}  // namespace detail

/// Run a model over a window, from `state`, which becomes the state after it.
///
/// Shapes:  x (T, N, D) -> y (T, N, K); probabilities where the model ends in softmax, else what the last layer gives
/// Errors:  shape_error where x or the state does not fit
template <SequenceModel M>
Tensor<typename M::value_type, 3> forward(const M& model, const Tensor<typename M::value_type, 3>& x,
                                          State<typename M::value_type>& state) {
    using T = typename M::value_type;
    if (x.shape(2) != model.in_size())
        throw shape_error(printed(model) + ": x is (" + std::to_string(x.shape(0)) + ", " +
                          std::to_string(x.shape(1)) + ", " + std::to_string(x.shape(2)) +
                          "), expected D = " + std::to_string(model.in_size()));
    detail::check_state(model, state, x.shape(1));
    return detail::run_window<T>(model,
                                 {nullptr, View<const T>(x.data(), x.shape(0) * x.shape(1), x.shape(2))},
                                 {x.shape(0), x.shape(1)}, state);
}

/// The same for ids: ids (T, N) -> y (T, N, K). Errors: shape_error also for an id that is not below D.
template <SequenceModel M>
Tensor<typename M::value_type, 3> forward(const M& model, const Matrix<std::uint32_t>& ids,
                                          State<typename M::value_type>& state) {
    detail::check_state(model, state, ids.shape(1));
    return detail::run_window<typename M::value_type>(model, {ids.data(), {}}, {ids.shape(0), ids.shape(1)},
                                                      state);
}

/// A model with its state kept inside, in Flux's manner: y = m(x) goes on where the last call stopped, m.reset()
/// begins anew. The model is borrowed and not changed.
template <SequenceModel M>
class Stateful {
  public:
    explicit Stateful(const M& model) : model_(&model) {}
    explicit Stateful(M&&) = delete;

    /// As `forward`. A call with another number of lanes begins anew.
    template <class X>
    auto operator()(const X& x) {
        if (lanes_ != x.shape(1)) {
            lanes_ = x.shape(1);
            reset();
        }
        return forward(*model_, x, state_);
    }
    /// Begin anew, from a state of zeros.
    void reset() { state_ = model_->zero_state(lanes_); }
    /// The state after the last call.
    [[nodiscard]] const State<typename M::value_type>& state() const { return state_; }

  private:
    const M* model_;
    std::size_t lanes_ = 0;
    State<typename M::value_type> state_;
};

}  // namespace charrnn
