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
        ++count_;
        if (!(loss < best_ - margin_)) {
            ++waited_;
            return false;
        }
        best_ = loss;
        best_at_ = count_;
        waited_ = 0;
        return true;
    }
    /// Whether it is time to stop.
    [[nodiscard]] bool reached() const { return waited_ >= patience_; }
    /// The best loss; infinite before the first.
    [[nodiscard]] double best() const { return best_; }
    /// Which one it was, from 1; 0 before the first.
    [[nodiscard]] std::size_t best_at() const { return best_at_; }

  private:
    std::size_t patience_;
    double margin_;
    double best_ = std::numeric_limits<double>::infinity();
    std::size_t best_at_ = 0, count_ = 0, waited_ = 0;
};

}  // namespace charrnn
