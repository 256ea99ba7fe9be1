#pragma once

#include <atomic>
#include <csignal>

namespace charrnn {

/// While one of these lives, the first Ctrl-C (SIGINT) or SIGTERM sets a flag instead of ending the program, so that
/// a training run can stop between two steps. A second one, of either kind, ends the program at once.
///
///     InterruptGuard guard;
///     trainer.stop_when(interrupted);
class InterruptGuard {
  public:
    // The flag first: a signal that comes between the two is seen.
    InterruptGuard()
        : old_int_((flag() = 0, std::signal(SIGINT, &note))), old_term_(std::signal(SIGTERM, &note)) {}
    ~InterruptGuard() {
        std::signal(SIGINT, old_int_);
        std::signal(SIGTERM, old_term_);
    }
    InterruptGuard(const InterruptGuard&) = delete;
    InterruptGuard& operator=(const InterruptGuard&) = delete;

    /// The signal that came, or 0.
    static int signal() { return flag(); }

  private:
    using Handler = void (*)(int);

    static std::atomic<int>& flag() {
        static std::atomic<int> signal_seen{0};
        return signal_seen;
    }
    static void note(int signal_number) {
        flag() = signal_number;
        std::signal(SIGINT, SIG_DFL);
        std::signal(SIGTERM, SIG_DFL);
    }

    Handler old_int_, old_term_;
};

/// Whether a signal has come since the InterruptGuard was made.
inline bool interrupted() { return InterruptGuard::signal() != 0; }

}  // namespace charrnn
