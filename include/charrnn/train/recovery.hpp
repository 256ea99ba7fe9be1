#pragma once

#include <algorithm>
#include <cmath>
#include <cstddef>
#include <cstdint>
#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include <charrnn/core/buffer.hpp>
#include <charrnn/core/error.hpp>
#include <charrnn/train/progress.hpp>
#include <charrnn/train/trainer.hpp>

namespace charrnn {

/// When a run counts as diverged, and what is done then.
struct RecoveryOptions {
    std::uint64_t every = 100;  ///< take a snapshot in memory after so many steps
    double explosion =
        3;  ///< a loss above the recent mean (at first: that of chance) times this, plus 1 nat, is an
            ///< explosion; 0: never
    double factor = 0.5;    ///< the learning rate is multiplied by this
    std::size_t tries = 5;  ///< give up when so many times in a row did not get beyond the worst step so far
};

/// What happened, for a callback.
struct Divergence {
    std::string reason;        ///< a sentence
    std::uint64_t step = 0;    ///< where it diverged
    std::uint64_t back = 0;    ///< the step it goes on from
    double learning_rate = 0;  ///< from there on, before decay
    std::size_t attempt = 0;   ///< in a row, from 1
};

/// Trains as Trainer::run does, and when the loss or a gradient is not finite, or the loss explodes: goes back to the
/// last good snapshot of parameters and run, lowers the learning rate, says so, and goes on.
///
///     Recovery recovery(trainer);
///     recovery.on_divergence([](const Divergence& d) { std::cerr << d.reason << '\n'; });
///     recovery.run(epochs(3));
///
/// A recovery begins without a mean, a resumed run's too. A snapshot is taken only while the loss is near its recent mean. Each further try in a row goes one snapshot further
/// back, if there is one: the newest may be from the way to the explosion. Memory: two copies of parameters and run.
/// The trainer is borrowed, and must outlive this; it trains on without it when this is gone.
/// Errors: numeric_error, saying how often it was tried; the run is then at the last good snapshot
template <class Tr>
class Recovery {
    using T = typename Tr::T;

  public:
    /// What is told of a recovery.
    using Callback = std::function<void(const Divergence&)>;

    explicit Recovery(Tr& trainer, RecoveryOptions options = {}) : trainer_(trainer), options_(options) {
        if (!(options_.factor > 0) || !(options_.factor < 1))
            throw value_error("recovery: factor is " + std::to_string(options_.factor) +
                              ", expected a number between 0 and 1");
        if (options_.every == 0) throw value_error("recovery: every is 0, expected at least 1 step");
        snapshots_.push_back(take());
        trainer_.every_step([self = self_](const Progress& p) {
            if (*self != nullptr) (*self)->watch(p);
        });
    }
    ~Recovery() { *self_ = nullptr; }
    Recovery(const Recovery&) = delete;
    Recovery& operator=(const Recovery&) = delete;

    /// Called after going back, before going on: cut the log back, say it to somebody.
    void on_divergence(Callback callback) { callback_ = std::move(callback); }

    /// Train until so many steps or epochs more are done; steps that were taken back count again when they are redone.
    Stop run(const Budget& budget) {
        const std::uint64_t from = trainer_.state().step;
        const std::optional<std::uint64_t> more = trainer_.steps_in(budget);
        snapshots_.assign(1, take());
        for (;;) {
            try {
                if (!more) return trainer_.run(budget);
                return trainer_.run(
                    trainer_.rest({.steps = from + *more, .epochs = {}, .seconds = budget.seconds}));
            } catch (const numeric_error& e) {
                go_back(e.what());
            }
        }
    }

  private:
    struct Snapshot {
        std::vector<Buffer<T>> parameters;
        RunState<T> state;
    };

    Snapshot take() {
        Snapshot s;
        for (const auto& p : trainer_.model().parameters()) {
            // An infinite weight may only saturate a gate, and not show in the loss.
            if (!std::all_of(p.data, p.data + p.size, [](T x) { return std::isfinite(x); }))
                throw numeric_error("step " + std::to_string(trainer_.state().step) + ": " + p.name +
                                    " is not finite");
            s.parameters.emplace_back(p.data, p.data + p.size);
        }
        s.state = trainer_.state();
        return s;
    }
    void restore(const Snapshot& s) {
        const auto parameters = trainer_.model().parameters();
        for (std::size_t i = 0; i < parameters.size(); ++i)
            std::copy(s.parameters[i].begin(), s.parameters[i].end(), parameters[i].data);
        trainer_.restore(s.state);
    }

    void watch(const Progress& p) {
        // Before there is a mean to speak of, chance stands for it.
        const double usual =
            mean_weight_ > 10 ? mean_ : std::log(static_cast<double>(trainer_.model().out_size()));
        if (options_.explosion > 0 && p.loss > options_.explosion * usual + 1)
            throw numeric_error("step " + std::to_string(p.step) +
                                ": the loss has exploded: " + std::to_string(p.loss) +
                                " nats a character, after " + std::to_string(usual) + " in the mean");
        mean_weight_ = 0.98 * mean_weight_ + 1;
        mean_ += (p.loss - mean_) / mean_weight_;
        if (p.step > worst_) attempts_ = 0;
        if (p.step >= snapshots_.back().state.step + options_.every && p.loss < 1.5 * mean_ + 0.1) {
            if (snapshots_.size() == 2) snapshots_.erase(snapshots_.begin());
            snapshots_.push_back(take());
        }
    }

    void go_back(const std::string& reason) {
        const std::uint64_t step = trainer_.state().step;
        worst_ = std::max(worst_, step);
        ++attempts_;
        if (attempts_ > 1 && snapshots_.size() == 2) snapshots_.pop_back();
        const double lr = trainer_.state().lr;
        restore(snapshots_.back());
        if (attempts_ > options_.tries)
            throw numeric_error(
                "training diverges: " + reason + ". Going back and lowering the learning rate to " +
                std::to_string(lr) + " did not help, " + std::to_string(options_.tries) +
                " times in a row; the run is back at step " + std::to_string(trainer_.state().step));
        trainer_.set_lr(std::min(lr, trainer_.state().lr) * options_.factor);
        snapshots_.back().state.lr = trainer_.state().lr;
        if (callback_) callback_({reason, step, trainer_.state().step, trainer_.state().lr, attempts_});
    }

    Tr& trainer_;
    std::shared_ptr<Recovery*> self_ =
        std::make_shared<Recovery*>(this);  // the trainer's callback may outlive this
    RecoveryOptions options_;
    Callback callback_;
    std::vector<Snapshot> snapshots_;  // one or two, the newest last
    double mean_ = 0, mean_weight_ = 0;
    std::uint64_t worst_ = 0;
    std::size_t attempts_ = 0;
};

}  // namespace charrnn
