#pragma once

#include <cstddef>
#include <cstdint>
#include <functional>
#include <ostream>
#include <string>
#include <utility>

#include <charrnn/core/budget.hpp>
#include <charrnn/core/error.hpp>
#include <charrnn/core/format.hpp>
#include <charrnn/core/once.hpp>

/// @file
/// Schedules of the learning rate.

namespace charrnn {

/// What the learning rate is multiplied by, as a function of the step: a value that can be copied, multiplied, added,
/// and continued by another. It keeps nothing, so a resumed run is where it was; it prints as what makes it, and so a
/// checkpoint can say which one it was.
///
///     cosine(epochs(4))
///     warm_up(steps(200)) * cosine(epochs(4))
///     constant(1).then(epochs(2), step_decay(0.5, epochs(1)))
///     cosine_restarts(epochs(1), 2)                              // fastai's cycle_mult = 2
class Schedule {
  public:
    /// The factor at a time in steps, with so many steps an epoch.
    using Function = std::function<double(double time, double epoch)>;

    /// Always 1.
    Schedule() = default;
    /// A factor of one's own; `cycles` counts those that are complete at a time, for Trainer::every_cycle. A checkpoint
    /// keeps its name, by which a resume notices another one.
    explicit Schedule(Function factor, Function cycles = {}, std::string name = "one of the program's")
        : factor_(std::move(factor)), cycles_(std::move(cycles)), name_(std::move(name)) {}

    /// The factor of step `step` (from 0). Errors: value_error if it is negative or not finite.
    [[nodiscard]] double operator()(std::uint64_t step, std::size_t steps_in_epoch) const;
    /// How many cycles are complete after `steps` steps.
    [[nodiscard]] std::uint64_t cycles(std::uint64_t steps, std::size_t steps_in_epoch) const;

    /// This one for so long, then another from its beginning.
    [[nodiscard]] Schedule then(const Budget& length, const Schedule& next) const;

    friend Schedule operator*(Schedule a, Schedule b);
    friend Schedule operator+(Schedule a, Schedule b);
    friend Schedule operator*(double factor, const Schedule& s);

    /// warm_up(200 steps) * cosine(4 epochs, 0)
    friend std::ostream& operator<<(std::ostream& out, const Schedule& s) { return out << s.name_; }

  private:
    [[nodiscard]] double at(double time, double epoch) const { return factor_ ? factor_(time, epoch) : 1; }
    [[nodiscard]] double count(double time, double epoch) const { return cycles_ ? cycles_(time, epoch) : 0; }

    template <class F>
    static Schedule combine(Schedule a, Schedule b, std::string name, F f);

    Function factor_, cycles_;
    std::string name_ = "constant(1)";
    bool sum_ = false;  // whether its name needs brackets in a product
};

/// Always the same.
Schedule constant(double factor);
/// A schedule, scaled.
Schedule operator*(double factor, const Schedule& s);

/// factor ^ (how many times `every` has passed). Errors: value_error for a length that is not positive (here and below)
Schedule step_decay(double factor, const Budget& every);

/// A straight line from one factor to another, which then stays.
Schedule linear(const Budget& length, double from, double to);

/// A straight line from nearly 0 to 1, which then stays: step k of n has the factor (k + 1) / n.
Schedule warm_up(const Budget& length);

/// Half a cosine from 1 to `end`, which then stays. One cycle.
/// Source:  Loshchilov and Hutter 2017, equation 5
Schedule cosine(const Budget& length, double end = 0);

/// Half cosines from 1 to `end`, one after the other, each `multiplier` times as long as the one before.
/// Errors:  value_error for a multiplier below 1
/// Source:  Loshchilov and Hutter 2017 (SGDR); fastai's cycle_len and cycle_mult
Schedule cosine_restarts(const Budget& first, double multiplier = 1, double end = 0);

}  // namespace charrnn

#ifdef CHARRNN_ONCE
#include <cmath>

namespace charrnn {

namespace detail {

/// A length in steps. Errors: value_error unless it is given in steps or epochs, and positive.
CHARRNN_ONCE std::function<double(double epoch)> length_in_steps(const char* what, const Budget& length) {
    const double n =
        length.epochs ? *length.epochs : static_cast<double>(length.steps.value_or(std::uint64_t{0}));
    if (!(n > 0) || !std::isfinite(n) || length.seconds || (length.epochs && length.steps))
        throw value_error(std::string(what) + ": expected a positive length, in steps(n) or epochs(n)");
    return [n, in_epochs = length.epochs.has_value()](double epoch) { return in_epochs ? n * epoch : n; };
}

/// "4 epochs"
CHARRNN_ONCE std::string length_text(const Budget& length) {
    return length.epochs ? shortest(*length.epochs) + " epochs"
                         : std::to_string(length.steps.value_or(0)) + " steps";
}

CHARRNN_ONCE double half_cosine(double share, double end) {
    return end + (1 - end) * 0.5 * (1 + std::cos(3.14159265358979323846 * share));
}

}  // namespace detail

template <class F>
Schedule Schedule::combine(Schedule a, Schedule b, std::string name, F f) {
    const auto cycles = [a, b](double t, double e) { return a.count(t, e) + b.count(t, e); };
    return Schedule(
        [a = std::move(a), b = std::move(b), f](double t, double e) { return f(a.at(t, e), b.at(t, e)); },
        cycles, std::move(name));
}

CHARRNN_ONCE Schedule Schedule::then(const Budget& length, const Schedule& next) const {
    const auto steps = detail::length_in_steps("then", length);
    return Schedule(
        [self = *this, steps, next](double t, double e) {
            return t < steps(e) ? self.at(t, e) : next.at(t - steps(e), e);
        },
        [self = *this, steps, next](double t, double e) {
            return t < steps(e) ? self.count(t, e) : self.count(steps(e), e) + next.count(t - steps(e), e);
        },
        name_ + " then, after " + detail::length_text(length) + ", " + next.name_);
}

CHARRNN_ONCE double Schedule::operator()(std::uint64_t step, std::size_t steps_in_epoch) const {
    const double f = at(static_cast<double>(step), static_cast<double>(steps_in_epoch));
    if (!(f >= 0) || !std::isfinite(f))
        throw value_error("schedule: the factor of step " + std::to_string(step) + " is " +
                          std::to_string(f) + ", expected 0 or more");
    return f;
}

CHARRNN_ONCE std::uint64_t Schedule::cycles(std::uint64_t steps, std::size_t steps_in_epoch) const {
    return static_cast<std::uint64_t>(count(static_cast<double>(steps), static_cast<double>(steps_in_epoch)));
}

CHARRNN_ONCE Schedule operator*(Schedule a, Schedule b) {
    const auto factor = [](const Schedule& s) { return s.sum_ ? "(" + s.name_ + ")" : s.name_; };
    std::string name = factor(a) + " * " + factor(b);
    return Schedule::combine(std::move(a), std::move(b), std::move(name),
                             [](double x, double y) { return x * y; });
}

CHARRNN_ONCE Schedule operator+(Schedule a, Schedule b) {
    std::string name = a.name_ + " + " + b.name_;
    Schedule s = Schedule::combine(std::move(a), std::move(b), std::move(name),
                                   [](double x, double y) { return x + y; });
    s.sum_ = true;
    return s;
}

CHARRNN_ONCE Schedule constant(double factor) {
    return Schedule([factor](double, double) { return factor; }, {},
                    "constant(" + detail::shortest(factor) + ")");
}

CHARRNN_ONCE Schedule operator*(double factor, const Schedule& s) { return constant(factor) * s; }

CHARRNN_ONCE Schedule step_decay(double factor, const Budget& every) {
    return Schedule([factor, steps = detail::length_in_steps("step_decay", every)](
                        double t, double e) { return std::pow(factor, std::floor(t / steps(e))); },
                    {}, "step_decay(" + detail::shortest(factor) + ", " + detail::length_text(every) + ")");
}

CHARRNN_ONCE Schedule linear(const Budget& length, double from, double to) {
    return Schedule([from, to, steps = detail::length_in_steps("linear", length)](
                        double t, double e) { return t < steps(e) ? from + (to - from) * t / steps(e) : to; },
                    {},
                    "linear(" + detail::length_text(length) + ", " + detail::shortest(from) + ", " +
                        detail::shortest(to) + ")");
}

CHARRNN_ONCE Schedule warm_up(const Budget& length) {
    return Schedule([steps = detail::length_in_steps("warm_up", length)](
                        double t, double e) { return t + 1 < steps(e) ? (t + 1) / steps(e) : 1; },
                    {}, "warm_up(" + detail::length_text(length) + ")");
}

CHARRNN_ONCE Schedule cosine(const Budget& length, double end) {
    const auto steps = detail::length_in_steps("cosine", length);
    return Schedule(
        [steps, end](double t, double e) {
            return t < steps(e) ? detail::half_cosine(t / steps(e), end) : end;
        },
        [steps](double t, double e) { return t < steps(e) ? 0.0 : 1.0; },
        "cosine(" + detail::length_text(length) + ", " + detail::shortest(end) + ")");
}

CHARRNN_ONCE Schedule cosine_restarts(const Budget& first, double multiplier, double end) {
    if (!(multiplier >= 1)) throw value_error("cosine_restarts: the multiplier is below 1");
    const auto steps = detail::length_in_steps("cosine_restarts", first);
    // The cycle that a time is in, and the share of it that has passed.
    const auto place = [steps, multiplier](double t, double e) {
        double cycle = 0, length = steps(e);
        if (multiplier == 1) {
            cycle = std::floor(t / length);
            t -= cycle * length;
        }
        for (; t >= length; ++cycle) {
            t -= length;
            length *= multiplier;
        }
        return std::pair(cycle, t / length);
    };
    return Schedule([place, end](double t, double e) { return detail::half_cosine(place(t, e).second, end); },
                    [place](double t, double e) { return place(t, e).first; },
                    "cosine_restarts(" + detail::length_text(first) + ", " + detail::shortest(multiplier) +
                        ", " + detail::shortest(end) + ")");
}

}  // namespace charrnn
#endif
