#pragma once

#include <algorithm>
#include <cmath>
#include <cstddef>
#include <cstdint>
#include <string>
#include <utility>
#include <vector>

#include <charrnn/core/buffer.hpp>
#include <charrnn/core/error.hpp>
#include <charrnn/core/threads.hpp>
#include <charrnn/data/batch.hpp>
#include <charrnn/nn/runner.hpp>
#include <charrnn/optim/optimiser.hpp>
#include <charrnn/train/parameter_update.hpp>
#include <charrnn/train/trainer_options.hpp>

/// @file
/// From a window of data to new parameters, on all threads.

namespace charrnn::detail {

/// What a step came to.
struct StepResult {
    double loss = 0;  ///< nats a character, before the step
    double norm = 0;  ///< of the gradient, before it was clipped
};

/// A training step: forward, loss and backward by groups of lanes; gradients, norm and update by part. It knows nothing of
/// where windows come from, of runs and of callbacks. Model and options are borrowed.
template <class T, Optimiser O>
class TrainingStep {
  public:
    /// Errors: as ParameterUpdate's
    template <SequenceModel M>
    TrainingStep(M& model, Extent extent, const TrainerOptions& options)
        : TrainingStep(Runner<T>(model, {.extent = extent, .backward = true, .groups = options.slices}),
                       model.parameters(), options) {}

    /// How many layers the model has.
    [[nodiscard]] std::size_t layers() const { return runner_.layers(); }
    /// The optimiser's arrays before the first step.
    [[nodiscard]] std::vector<Buffer<T>> zero_slots() const;
    /// These are the optimiser's arrays from here on. Errors: shape_error where they are of another model or optimiser
    void set_slots(std::vector<Buffer<T>>& slots);

    /// Renew the private copies of the weights, which others may have changed.
    void prepare();
    /// One step on a window, the run's step `step` (from 0). `recurrent` is the state at the window's beginning, and becomes
    /// that at its end.
    /// Errors: shape_error for an id that is not below the model's input width; numeric_error for a loss or gradient that is
    ///         not finite; parameters and state are then those before the step
    StepResult run(const Batch& batch, std::uint64_t step, double lr, const O& optimiser,
                   State<T>& recurrent);

  private:
    TrainingStep(Runner<T> runner, const std::vector<Parameter<T>>& parameters,
                 const TrainerOptions& options);

    const TrainerOptions& options_;
    Team team_;
    Runner<T> runner_;
    ParameterUpdate<T, O> update_;
    bool begins_allowed_ = false;
};

// Outside the class, and so not inline: see instances.hpp.

template <class T, Optimiser O>
TrainingStep<T, O>::TrainingStep(Runner<T> runner, const std::vector<Parameter<T>>& parameters,
                                 const TrainerOptions& options)
    : options_(options),
      team_(options.threads),
      runner_(std::move(runner)),
      update_(parameters, runner_.gradients(), runner_.layers(), options.ties) {}

template <class T, Optimiser O>
std::vector<Buffer<T>> TrainingStep<T, O>::zero_slots() const {
    return update_.zero_slots();
}

template <class T, Optimiser O>
void TrainingStep<T, O>::set_slots(std::vector<Buffer<T>>& slots) {
    update_.set_slots(slots);
}

template <class T, Optimiser O>
void TrainingStep<T, O>::prepare() {
    team_.run([&](std::size_t i) { runner_.prepare({i, team_.size()}); });
}

template <class T, Optimiser O>
StepResult TrainingStep<T, O>::run(const Batch& batch, std::uint64_t step, double lr, const O& optimiser,
                                   State<T>& recurrent) {
    runner_.check_ids(batch.inputs.data(), batch.inputs.size());
    if (!batch.begins.empty() && !begins_allowed_) {
        runner_.allow_begins();
        begins_allowed_ = true;
    }
    const Input<T> x{batch.inputs.data(), {}};
    const Context context{.training = true,
                          .truncate = options_.truncate,
                          .begins = batch.begins.empty() ? nullptr : batch.begins.data(),
                          .seed = options_.seed,
                          .step = step};
    const std::size_t count = std::max<std::size_t>(1, batch.count);
    const T scale = T(1) / static_cast<T>(count);
    const Clip clip{.norm = options_.clip, .value = options_.clip_value};
    update_.begin(optimiser, step + 1, lr, options_.rates);
    runner_.load(recurrent);
    StepResult result;

    const std::size_t threads = team_.size();
    const auto through_time = [&](std::size_t i) {
        for (std::size_t g = i; g < options_.slices; g += threads) {
            const Lanes lanes = Lanes::of(batch.lanes, g, options_.slices);
            runner_.forward(x, context, batch.steps, lanes);
            runner_.loss(batch.targets.data(), batch.valid.data(), batch.steps, lanes, &scale,
                         batch.from.empty() ? nullptr : batch.from.data());
            runner_.backward(x, context, batch.steps, lanes);
        }
    };
    const auto gradients = [&](std::size_t i) { runner_.gradient(x, context, batch.steps, {i, threads}); };
    const auto collect = [&](std::size_t i) { runner_.collect({i, threads}); };
    const auto sum_ties = [&](std::size_t i) { update_.sum_ties({i, threads}); };
    const auto square = [&](std::size_t i) { update_.square({i, threads}); };
    const auto update = [&](std::size_t i) { update_.update({i, threads}, optimiser, result.norm, clip); };
    const auto copy_ties = [&](std::size_t i) { update_.copy_ties({i, threads}); };
    const auto renew = [&](std::size_t i) { runner_.prepare({i, threads}); };
    if (update_.has_ties())
        team_.run(through_time, gradients, collect, sum_ties, square);
    else
        team_.run(through_time, gradients, collect, square);
    result = {.loss = runner_.total_loss(batch.steps) / static_cast<double>(count), .norm = update_.norm()};
    if (!std::isfinite(result.loss) || !std::isfinite(result.norm))
        throw numeric_error(
            "step " + std::to_string(step + 1) + ": the " +
            (std::isfinite(result.loss) ? "gradient's norm" : "loss") +
            " is not finite; the parameters are those before this step. A lower learning rate "
            "(now " +
            std::to_string(lr) + ") or clipping may help");
    if (update_.has_ties())
        team_.run(update, copy_ties, renew);
    else
        team_.run(update, renew);
    runner_.store(recurrent, batch.steps);
    return result;
}

}  // namespace charrnn::detail
