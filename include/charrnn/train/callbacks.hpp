#pragma once

#include <chrono>
#include <functional>
#include <list>
#include <utility>

#include <charrnn/core/once.hpp>
#include <charrnn/train/progress.hpp>

/// @file
/// Who is told of a run's progress, and when.

namespace charrnn::detail {

/// The callbacks of a run, called between two steps.
class Callbacks {
  public:
    using Clock = std::chrono::steady_clock;
    using Callback = std::function<void(const Progress&)>;

    /// What has to have come to an end for a callback: `last` is a step's, after all others.
    enum class After { step, cycle, epoch, last };

    void add(After after, Callback callback);
    /// At most once in so long.
    void add(Clock::duration interval, Callback callback);
    /// Call those whose turn it is after a step.
    void call(const Progress& progress, bool cycle_ended, bool epoch_ended);

  private:
    struct Timed {
        Clock::duration interval;
        Clock::time_point last;
        Callback callback;
    };

    void call(After after, const Progress& progress) const;

    // Lists, so that a callback may add another.
    std::list<std::pair<After, Callback>> callbacks_;
    std::list<Timed> timed_;
};

}  // namespace charrnn::detail

#ifdef CHARRNN_ONCE
namespace charrnn::detail {

CHARRNN_ONCE void Callbacks::add(After after, Callback callback) {
    callbacks_.emplace_back(after, std::move(callback));
}
CHARRNN_ONCE void Callbacks::add(Clock::duration interval, Callback callback) {
    timed_.push_back({interval, Clock::now(), std::move(callback)});
}
CHARRNN_ONCE void Callbacks::call(const Progress& progress, bool cycle_ended, bool epoch_ended) {
    call(After::step, progress);
    if (cycle_ended) call(After::cycle, progress);
    if (epoch_ended) call(After::epoch, progress);
    for (Timed& timed : timed_)
        if (Clock::now() - timed.last >= timed.interval) {
            timed.callback(progress);
            timed.last = Clock::now();
        }
    call(After::last, progress);
}
CHARRNN_ONCE void Callbacks::call(After after, const Progress& progress) const {
    for (const auto& [when, callback] : callbacks_)
        if (when == after) callback(progress);
}

}  // namespace charrnn::detail
#endif
