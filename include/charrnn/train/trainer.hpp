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
#include <charrnn/core/once.hpp>
#include <charrnn/core/threads.hpp>
#include <charrnn/data/batch.hpp>
#include <charrnn/nn/runner.hpp>
#include <charrnn/optim/optimiser.hpp>
#include <charrnn/optim/schedule.hpp>
#include <charrnn/train/fingerprint.hpp>
#include <charrnn/train/parameter_update.hpp>
#include <charrnn/train/progress.hpp>

namespace charrnn {

/// How a Trainer goes about it.
struct TrainerOptions {
    double clip = 0;           ///< scale the gradient down to this norm where it is larger; 0: never
    double clip_value = 0;     ///< then clip each of its numbers to plus or minus this; 0: never
    double decay = 1;          ///< the learning rate is multiplied by this after each epoch
    std::size_t truncate = 0;  ///< cut the gradient every so many steps inside a window; 0: at its edge only
    std::size_t threads = 0;   ///< 0: as many as the machine has processors
    std::size_t slices = 0;    ///< groups of lanes that go through time side by side; 0: as many as threads
    std::uint64_t seed = 0;    ///< of whatever is random in training
    Schedule schedule{};       ///< the learning rate is multiplied by this, too
    std::vector<double> rates{};  ///< and by rates[i] in layer i (0: it stays as it is); empty: 1 everywhere
    std::vector<Tie> ties{};      ///< parameters that are to be one
};

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

namespace detail {

/// The options, with defaults filled in. Errors: value_error for settings out of range
TrainerOptions resolve(TrainerOptions o, std::size_t lanes);
/// Errors: value_error for a learning rate that is not a positive number
void check_rate(double lr);

}  // namespace detail

/// Why run() returned.
enum class Stop { done, requested };

/// Trains a model on windows of data with truncated back-propagation through time.
///
/// The model is borrowed: it can be sampled, evaluated, saved or changed between calls of run() and in callbacks, and
/// nothing of that changes the run, which is a value of its own (`state()`). The recurrent state goes from window to
/// window and is zero at the beginning of an epoch. The loss is the mean over the valid targets of all lanes.
///
/// With the cells of the library the results are the same bits for any number of threads and slices; with a user's
/// StepCell for any number of threads at the same slices.
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
    /// What every(), every_step() and every_epoch() take.
    using Callback = std::function<void(const Progress&)>;

    Trainer(M& model, O optimiser, S source, TrainerOptions options = {})
        : model_(model),
          optimiser_(std::move(optimiser)),
          source_(std::move(source)),
          options_(detail::resolve(options, source_.lanes())),
          team_(options_.threads),
          runner_(model, Plan{.extent = {source_.window(), source_.lanes()},
                              .backward = true,
                              .groups = options_.slices}),
          update_(model.parameters(), runner_.gradients(), model.zero_state(1).size(), options_.ties) {
        detail::check_alphabet(model, source_.alphabet_size());
        detail::check_rate(optimiser_.lr);
        const auto parameters = model.parameters();
        state_.lr = optimiser_.lr;
        state_.recurrent = model.zero_state(source_.lanes());
        state_.slots.resize(parameters.size() * O::slots);
        for (std::size_t i = 0; i < parameters.size(); ++i)
            for (std::size_t k = 0; k < O::slots; ++k)
                state_.slots[i * O::slots + k].resize(parameters[i].size);
        set_rates(options_.rates);
        update_.set_slots(state_.slots);
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
        prepare();
        for (std::uint64_t done = 0; done < limit; ++done) {
            const double elapsed = std::chrono::duration<double>(Clock::now() - begin).count();
            if (budget.seconds && elapsed >= *budget.seconds) break;
            step();
            const double now = std::chrono::duration<double>(Clock::now() - begin).count();
            progress_.done = budget.seconds
                                 ? std::min(1.0, now / *budget.seconds)
                                 : static_cast<double>(state_.step - from) / static_cast<double>(limit);
            progress_.seconds_left = progress_.done > 0 ? now / progress_.done - now : 0;
            call_back();
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
        timed_.push_back(
            {std::chrono::duration_cast<Clock::duration>(time), Clock::now(), std::move(callback)});
    }
    /// Call back after every step.
    void every_step(Callback callback) { each_step_.push_back(std::move(callback)); }
    /// Call back at the end of every cycle of the schedule.
    void every_cycle(Callback callback) { each_cycle_.push_back(std::move(callback)); }
    /// Call back after every epoch.
    void every_epoch(Callback callback) { each_epoch_.push_back(std::move(callback)); }
    /// Call back after every step, after all other callbacks: what is saved here has what they measured.
    void after_step(Callback callback) { last_.push_back(std::move(callback)); }
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
        if (!rates.empty() && rates.size() != update_.layers())
            throw value_error("rates: " + std::to_string(rates.size()) + " factors, expected " +
                              std::to_string(update_.layers()) + ", one a layer");
        for (const double rate : rates)
            if (!(rate >= 0) || !std::isfinite(rate))
                throw value_error("rates: " + std::to_string(rate) + ", expected 0 or more");
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
        bool same = state.slots.size() == state_.slots.size();
        for (std::size_t i = 0; same && i < state.slots.size(); ++i)
            same = state.slots[i].size() == state_.slots[i].size();
        if (!same) throw shape_error("restore: the run state is of another model or optimiser");
        detail::check_state(model_, state.recurrent, source_.lanes());
        if (state.window >= source_.windows())
            throw shape_error("restore: the run state is at window " + std::to_string(state.window) +
                              ", expected less than " + std::to_string(source_.windows()));
        state_ = std::move(state);
        update_.set_slots(state_.slots);
        progress_.step = state_.step;
        progress_.epoch = state_.epoch;
        progress_.window = state_.window;
        progress_.characters = state_.characters;
        progress_.seconds = state_.seconds;
        progress_.learning_rate = learning_rate();
        progress_.cycle = cycles_done();
    }

  private:
    using Clock = std::chrono::steady_clock;

    struct Timed {
        Clock::duration interval;
        Clock::time_point last;
        Callback callback;
    };

    void prepare() {
        team_.run([&](std::size_t i) { runner_.prepare({i, team_.size()}); });
    }

    /// One window: forward, loss, backward by groups of lanes; gradients, norm and update by output.
    void step() {
        const Clock::time_point begin = Clock::now();
        detail::fill_window(source_, state_.window, batch_, state_.epoch);
        runner_.check_ids(batch_.inputs.data(), batch_.inputs.size());
        if (!batch_.begins.empty() && !begins_allowed_) {
            runner_.allow_begins();
            begins_allowed_ = true;
        }
        const Input<T> x{batch_.inputs.data(), {}};
        const Context context{.training = true,
                              .truncate = options_.truncate,
                              .begins = batch_.begins.empty() ? nullptr : batch_.begins.data(),
                              .seed = options_.seed,
                              .step = state_.step};
        const T scale = T(1) / static_cast<T>(std::max<std::size_t>(1, batch_.count));
        const double lr = learning_rate();
        update_.begin(optimiser_, state_.step + 1, lr, options_.rates);
        const std::size_t threads = team_.size();
        runner_.load(state_.recurrent);
        double norm = 0;
        const auto through_time = [&](std::size_t i) {
            for (std::size_t g = i; g < options_.slices; g += threads) {
                const Lanes lanes = Lanes::of(source_.lanes(), g, options_.slices);
                runner_.forward(x, context, batch_.steps, lanes);
                runner_.loss(batch_.targets.data(), batch_.valid.data(), batch_.steps, lanes, &scale,
                             batch_.from.empty() ? nullptr : batch_.from.data());
                runner_.backward(x, context, batch_.steps, lanes);
            }
        };
        const auto gradients = [&](std::size_t i) {
            runner_.gradient(x, context, batch_.steps, {i, threads});
        };
        const auto collect = [&](std::size_t i) { runner_.collect({i, threads}); };
        const auto sum_ties = [&](std::size_t i) { update_.sum_ties({i, threads}); };
        const auto square = [&](std::size_t i) { update_.square({i, threads}); };
        const auto update = [&](std::size_t i) {
            update_.update({i, threads}, optimiser_, norm,
                           {.norm = options_.clip, .value = options_.clip_value});
        };
        const auto copy_ties = [&](std::size_t i) { update_.copy_ties({i, threads}); };
        const auto renew = [&](std::size_t i) { runner_.prepare({i, threads}); };
        if (update_.has_ties())
            team_.run(through_time, gradients, collect, sum_ties, square);
        else
            team_.run(through_time, gradients, collect, square);
        const double loss =
            runner_.total_loss(batch_.steps) / static_cast<double>(std::max<std::size_t>(1, batch_.count));
        norm = update_.norm();
        if (!std::isfinite(loss) || !std::isfinite(norm))
            throw numeric_error(
                "step " + std::to_string(state_.step + 1) + ": the " +
                (std::isfinite(loss) ? "gradient's norm" : "loss") +
                " is not finite; the parameters are those before this step. A lower learning rate "
                "(now " +
                std::to_string(lr) + ") or clipping may help");
        if (update_.has_ties())
            team_.run(update, copy_ties, renew);
        else
            team_.run(update, renew);
        runner_.store(state_.recurrent, batch_.steps);

        ++state_.step;
        state_.characters += batch_.count;
        const double seconds = std::chrono::duration<double>(Clock::now() - begin).count();
        state_.seconds += seconds;
        const std::uint64_t cycles = cycles_done();
        cycle_ended_ = cycles > progress_.cycle;
        progress_.cycle = cycles;
        epoch_ended_ = ++state_.window == source_.windows();
        if (epoch_ended_) {
            state_.window = 0;
            ++state_.epoch;
            for (auto& layer : state_.recurrent)
                for (auto& part : layer) part.fill(T(0));
        }
        report(loss, norm, lr, seconds);
    }

    [[nodiscard]] std::uint64_t cycles_done() const {
        return options_.schedule.cycles(state_.step - state_.schedule_start, source_.windows());
    }

    void report(double loss, double norm, double lr, double seconds) {
        progress_.step = state_.step;
        progress_.epoch = state_.epoch;
        progress_.window = state_.window;
        progress_.characters = state_.characters;
        progress_.seconds = state_.seconds;
        progress_.loss = loss;
        progress_.learning_rate = lr;
        progress_.gradient_norm = norm;
        mean_weight_ = 0.99 * mean_weight_ + 1;
        progress_.mean_loss += (loss - progress_.mean_loss) / mean_weight_;
        mean_seconds_ += (seconds - mean_seconds_) / mean_weight_;
        mean_characters_ += (static_cast<double>(batch_.count) - mean_characters_) / mean_weight_;
        progress_.rate = mean_seconds_ > 0 ? mean_characters_ / mean_seconds_ : 0;
    }

    void call_back() {
        for (const auto& callback : each_step_) callback(progress_);
        if (cycle_ended_)
            for (const auto& callback : each_cycle_) callback(progress_);
        if (epoch_ended_)
            for (const auto& callback : each_epoch_) callback(progress_);
        for (auto& timed : timed_)
            if (Clock::now() - timed.last >= timed.interval) {
                timed.callback(progress_);
                timed.last = Clock::now();
            }
        for (const auto& callback : last_) callback(progress_);
    }

    M& model_;
    O optimiser_;
    S source_;
    TrainerOptions options_;
    Team team_;
    Runner<T> runner_;
    detail::ParameterUpdate<T, O> update_;
    RunState<T> state_;
    Batch batch_;
    mutable std::string fingerprint_;
    bool begins_allowed_ = false;
    bool epoch_ended_ = false, cycle_ended_ = false;
    Progress progress_;
    double mean_weight_ = 0, mean_seconds_ = 0, mean_characters_ = 0;
    std::vector<Timed> timed_;
    std::vector<Callback> each_step_, each_cycle_, each_epoch_, last_;
    std::function<bool()> stop_;
};

}  // namespace charrnn

#ifdef CHARRNN_ONCE
namespace charrnn::detail {

CHARRNN_ONCE TrainerOptions resolve(TrainerOptions o, std::size_t lanes) {
    if (!(o.clip >= 0))
        throw value_error("clip is " + std::to_string(o.clip) + ": expected a norm, or 0 for none");
    if (!(o.clip_value >= 0))
        throw value_error("clip_value is " + std::to_string(o.clip_value) +
                          ": expected a positive number, or 0 for none");
    if (!(o.decay > 0) || !std::isfinite(o.decay))
        throw value_error("decay is " + std::to_string(o.decay) + ": expected a positive factor");
    if (o.threads == 0) o.threads = hardware_threads();
    if (o.slices == 0) o.slices = o.threads;
    o.slices = std::min(o.slices, lanes);
    return o;
}
CHARRNN_ONCE void check_rate(double lr) {
    if (!(lr > 0) || !std::isfinite(lr))
        throw value_error("learning rate is " + std::to_string(lr) + ": expected a positive number");
}

}  // namespace charrnn::detail
#endif
