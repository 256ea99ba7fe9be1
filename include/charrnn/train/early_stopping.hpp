#pragma once

#include <cmath>
#include <cstddef>
#include <limits>
#include <string>

#include <charrnn/core/error.hpp>

namespace charrnn {

/// Says when a loss has not become better for some time.
///
///     EarlyStopping stopping(3);
///     trainer.every_epoch([&](const Progress&) {
///         if (stopping.add(evaluate(model, validation))) best = model;
///     });
///     trainer.stop_when([&] { return stopping.reached(); });
class EarlyStopping {
  public:
    /// After `patience` losses in a row that were not better than the best one by more than `margin`.
    /// Errors: value_error for no patience, or a negative margin
    explicit EarlyStopping(std::size_t patience, double margin = 0) : patience_(patience), margin_(margin) {
        if (patience == 0) throw value_error("EarlyStopping: patience is 0, expected at least 1");
        if (!(margin >= 0))
            throw value_error("EarlyStopping: margin is " + std::to_string(margin) + ", expected 0 or more");
    }

    /// The next loss; returns whether it is the best so far. A NaN is never the best.
    bool add(double loss) {
        ++state_.count;
        if (!(loss < state_.best - margin_)) {
            ++state_.waited;
            return false;
        }
        state_ = {.best = loss, .best_at = state_.count, .count = state_.count, .waited = 0};
        return true;
    }
    /// What a run that goes on in another process needs to know.
    struct State {
        double best = std::numeric_limits<double>::infinity();  ///< the best loss
        std::size_t best_at = 0;                                ///< which one it was, from 1
        std::size_t count = 0;                                  ///< how many there were
        std::size_t waited = 0;                                 ///< how many since the best
    };
    /// Where it stands.
    [[nodiscard]] const State& state() const { return state_; }
    /// Go on from there.
    void restore(const State& state) { state_ = state; }

    /// Whether it is time to stop.
    [[nodiscard]] bool reached() const { return state_.waited >= patience_; }
    /// The best loss; infinite before the first.
    [[nodiscard]] double best() const { return state_.best; }
    /// Which one it was, from 1; 0 before the first.
    [[nodiscard]] std::size_t best_at() const { return state_.best_at; }

  private:
    std::size_t patience_;
    double margin_;
    State state_;
};

}  // namespace charrnn
