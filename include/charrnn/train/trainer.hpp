#pragma once

#include <algorithm>
#include <chrono>
#include <cmath>
#include <cstddef>
#include <cstdint>
#include <functional>
#include <limits>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include <charrnn/core/budget.hpp>
#include <charrnn/core/error.hpp>
#include <charrnn/core/machine.hpp>
#include <charrnn/data/batch.hpp>
#include <charrnn/nn/runner.hpp>
#include <charrnn/optim/optimiser.hpp>
#include <charrnn/optim/schedule.hpp>
#include <charrnn/train/callbacks.hpp>
#include <charrnn/train/fingerprint.hpp>
#include <charrnn/train/progress.hpp>
#include <charrnn/train/trainer_options.hpp>
#include <charrnn/train/training_step.hpp>

namespace charrnn {

/// All that a training run consists of beside the parameters. A copy of it, with a copy of the model, is a snapshot.
template <class T>
struct RunState {
    std::uint64_t step = 0;
    std::uint64_t epoch = 0;           ///< whole passes over the data
    std::size_t window = 0;            ///< the next window
    std::uint64_t characters = 0;      ///< valid targets so far
    double seconds = 0;                ///< spent in training steps
    double lr = 0;                     ///< the learning rate before decay and schedule
    std::uint64_t schedule_start = 0;  ///< the step at which the schedule began
    std::vector<Buffer<T>> slots;      ///< the optimiser's, parameter by parameter
    State<T> recurrent;                ///< the state at the next window's beginning
};

/// Why run() returned.
enum class Stop { done, requested };

/// Trains a model on windows of data with truncated back-propagation through time.
///
/// The model is borrowed: it can be sampled, evaluated, saved or changed between calls of run() and in callbacks, and
/// nothing of that changes the run, which is a value of its own (`state()`). The recurrent state goes from window to
/// window and is zero at the beginning of an epoch. The loss is the mean over the valid targets of all lanes.
///
/// With LSTM, GRU and RNN the results are the same bits for any number of threads and slices; with a StepCell, as
/// GRUResetBeforeCell or a user's own, for any number of threads at the same slices.
///
///     Trainer trainer(model, Adam(0.002), Batches(text, alphabet));
///     trainer.every(30s, [](const Progress& p) { std::cout << p << '\n'; });
///     trainer.run(epochs(1));
///     trainer.run(10min);             // goes on where it stopped
///
/// Errors:  value_error for settings out of range; shape_error where the source's alphabet is not the model's;
///          numeric_error for a loss or gradient that is not finite: the parameters are then those before the step
template <SequenceModel M, Optimiser O, BatchSource S>
class Trainer {
  public:
    /// The scalar.
    using T = typename M::value_type;
    /// What every(), every_step() and every_epoch() take; it may add others.
    using Callback = detail::Callbacks::Callback;

    Trainer(M& model, O optimiser, S source, TrainerOptions options = {})
        : model_(model),
          optimiser_(std::move(optimiser)),
          source_(std::move(source)),
          options_(detail::resolve(std::move(options), source_.lanes())),
          step_(model, {source_.window(), source_.lanes()}, options_) {
        detail::check_alphabet(model, source_.alphabet_size());
        detail::check_rate(optimiser_.lr);
        if constexpr (requires { optimiser_.check(); }) optimiser_.check();
        detail::check_rates(options_.rates, step_.layers());
        state_.lr = optimiser_.lr;
        state_.recurrent = model.zero_state(source_.lanes());
        state_.slots = step_.zero_slots();
        step_.set_slots(state_.slots);
        batch_.inputs.reserve(source_.window() * source_.lanes());
        progress_.windows = source_.windows();
        progress_.learning_rate = learning_rate();
    }
    /// A temporary model would be gone before the first step.
    Trainer(M&& model, O optimiser, S source, TrainerOptions options = {}) = delete;
    Trainer(const Trainer&) = delete;
    Trainer& operator=(const Trainer&) = delete;

    /// Train for so many steps or epochs from here on, or until asked to stop.
    Stop run(const Budget& budget) {
        const BlasThreads one;  // users' cells may call it, and the threads are ours
        const Clock::time_point begin = Clock::now();
        const std::uint64_t from = state_.step;
        const std::uint64_t limit = steps_in(budget).value_or(std::numeric_limits<std::uint64_t>::max());
        step_.prepare();
        for (std::uint64_t done = 0; done < limit; ++done) {
            const double elapsed = std::chrono::duration<double>(Clock::now() - begin).count();
            if (budget.seconds && elapsed >= *budget.seconds) break;
            const std::uint64_t cycle = progress_.cycle, epoch = progress_.epoch;
            step();
            const double now = std::chrono::duration<double>(Clock::now() - begin).count();
            progress_.done = budget.seconds
                                 ? std::min(1.0, now / *budget.seconds)
                                 : static_cast<double>(state_.step - from) / static_cast<double>(limit);
            progress_.seconds_left = progress_.done > 0 ? now / progress_.done - now : 0;
            callbacks_.call(progress_, progress_.cycle > cycle, progress_.epoch > epoch);
            if (stop_ && stop_()) return Stop::requested;
        }
        return Stop::done;
    }
    /// Train for so long.
    template <class Rep, class Period>
    Stop run(std::chrono::duration<Rep, Period> time) {
        return run(Budget{.steps = {}, .epochs = {}, .seconds = std::chrono::duration<double>(time).count()});
    }

    /// What is left of a budget that counts from the beginning of the run, not from here: what a resumed run still has
    /// to do. A time is left as it is. Errors: as run()'s.
    ///
    ///     resume("run.safetensors", trainer, alphabet);
    ///     trainer.run(trainer.rest(epochs(10)));
    [[nodiscard]] Budget rest(const Budget& whole) const {
        const std::optional<std::uint64_t> all = steps_in(whole);
        if (!all) return whole;
        return {.steps = *all - std::min(*all, state_.step), .epochs = {}, .seconds = whole.seconds};
    }
    /// How many steps a budget is: the lesser of its steps and the windows of its epochs; none where it counts neither.
    /// Errors: value_error for epochs that are negative or not a number
    [[nodiscard]] std::optional<std::uint64_t> steps_in(const Budget& budget) const {
        if (!budget.epochs) return budget.steps;
        if (!(*budget.epochs >= 0)) throw value_error("run: epochs is negative or NaN");
        const auto windows = static_cast<double>(source_.windows());
        const auto n = static_cast<std::uint64_t>(std::llround(*budget.epochs * windows));
        return std::min(n, budget.steps.value_or(n));
    }

    /// Call back at most once in so long, between two steps.
    template <class Rep, class Period>
    void every(std::chrono::duration<Rep, Period> time, Callback callback) {
        callbacks_.add(std::chrono::duration_cast<Clock::duration>(time), std::move(callback));
    }
    /// Call back after every step.
    void every_step(Callback callback) { callbacks_.add(After::step, std::move(callback)); }
    /// Call back at the end of every cycle of the schedule.
    void every_cycle(Callback callback) { callbacks_.add(After::cycle, std::move(callback)); }
    /// Call back after every epoch.
    void every_epoch(Callback callback) { callbacks_.add(After::epoch, std::move(callback)); }
    /// Call back after every step, after all other callbacks: what is saved here has what they measured.
    void after_step(Callback callback) { callbacks_.add(After::last, std::move(callback)); }
    /// Ask after every step whether to stop.
    void stop_when(std::function<bool()> stop) { stop_ = std::move(stop); }

    /// Where the run stands.
    [[nodiscard]] const Progress& progress() const { return progress_; }
    /// The options, with defaults filled in.
    [[nodiscard]] const TrainerOptions& options() const { return options_; }
    /// The data.
    [[nodiscard]] const S& source() const { return source_; }
    /// What tells one text and its layout from another; computed once, in one pass over the data.
    [[nodiscard]] const std::string& source_fingerprint() const {
        if (fingerprint_.empty()) fingerprint_ = detail::fingerprint(source_);
        return fingerprint_;
    }
    /// The optimiser.
    [[nodiscard]] const O& optimiser() const { return optimiser_; }
    /// The model that is trained.
    [[nodiscard]] M& model() { return model_; }
    /// The model, which is borrowed.
    [[nodiscard]] const M& model() const { return model_; }
    /// The learning rate of the next step.
    [[nodiscard]] double learning_rate() const {
        return state_.lr * std::pow(options_.decay, static_cast<double>(state_.epoch)) *
               options_.schedule(state_.step - state_.schedule_start, source_.windows());
    }
    /// Another schedule, which begins here.
    void set_schedule(Schedule schedule) {
        options_.schedule = std::move(schedule);
        state_.schedule_start = state_.step;
        progress_.cycle = 0;
        progress_.learning_rate = learning_rate();
    }
    /// Other factors for the layers' learning rates (fastai's LayerOptimizer); none: 1 everywhere.
    /// Errors: value_error if there is not one for each layer, or one is negative or not finite
    void set_rates(std::vector<double> rates) {
        detail::check_rates(rates, step_.layers());
        options_.rates = std::move(rates);
    }
    /// Another learning rate from here on (before decay and schedule). Errors: value_error if it is not a positive number.
    void set_lr(double lr) {
        detail::check_rate(lr);
        state_.lr = lr;
        progress_.learning_rate = learning_rate();
    }

    /// The run as a value.
    [[nodiscard]] const RunState<T>& state() const { return state_; }
    /// Go on from a state that state() gave; the parameters are the caller's to restore.
    /// Errors: shape_error if it is of another model, optimiser or number of lanes.
    void restore(RunState<T> state) {
        detail::check_state(model_, state.recurrent, source_.lanes());
        if (state.window >= source_.windows())
            throw shape_error("restore: the run state is at window " + std::to_string(state.window) +
                              ", expected less than " + std::to_string(source_.windows()));
        step_.set_slots(state.slots);  // which stay where they are when the state moves
        state_ = std::move(state);
        show_state();
        progress_.learning_rate = learning_rate();
    }

  private:
    using Clock = std::chrono::steady_clock;
    using After = detail::Callbacks::After;

    /// Learn from the next window, and take the run's state and progress there.
    void step() {
        const Clock::time_point begin = Clock::now();
        detail::fill_window(source_, state_.window, batch_, state_.epoch);
        const double lr = learning_rate();
        const detail::StepResult result = step_.run(batch_, state_.step, lr, optimiser_, state_.recurrent);
        const double seconds = std::chrono::duration<double>(Clock::now() - begin).count();
        ++state_.step;
        state_.characters += batch_.count;
        state_.seconds += seconds;
        if (++state_.window == source_.windows()) {
            state_.window = 0;
            ++state_.epoch;
            for (auto& layer : state_.recurrent)
                for (auto& part : layer) part.fill(T(0));
        }
        show_state();
        progress_.loss = result.loss;
        progress_.gradient_norm = result.norm;
        progress_.learning_rate = lr;
        mean_weight_ = 0.99 * mean_weight_ + 1;
        progress_.mean_loss += (result.loss - progress_.mean_loss) / mean_weight_;
        mean_seconds_ += (seconds - mean_seconds_) / mean_weight_;
        mean_characters_ += (static_cast<double>(batch_.count) - mean_characters_) / mean_weight_;
        progress_.rate = mean_seconds_ > 0 ? mean_characters_ / mean_seconds_ : 0;
    }

    void show_state() {
        progress_.step = state_.step;
        progress_.epoch = state_.epoch;
        progress_.cycle = options_.schedule.cycles(state_.step - state_.schedule_start, source_.windows());
        progress_.window = state_.window;
        progress_.characters = state_.characters;
        progress_.seconds = state_.seconds;
    }

    M& model_;
    O optimiser_;
    S source_;
    TrainerOptions options_;
    detail::TrainingStep<T, O> step_;
    RunState<T> state_;
    Batch batch_;
    mutable std::string fingerprint_;
    Progress progress_;
    double mean_weight_ = 0, mean_seconds_ = 0, mean_characters_ = 0;
    detail::Callbacks callbacks_;
    std::function<bool()> stop_;
};

}  // namespace charrnn
