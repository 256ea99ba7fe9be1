#pragma once

#include <algorithm>
#include <chrono>
#include <cmath>
#include <cstdint>
#include <cstdio>
#include <exception>
#include <functional>
#include <optional>
#include <string>
#include <utility>

#include <charrnn/core/error.hpp>
#include <charrnn/data/alphabet.hpp>
#include <charrnn/io/atomic_file.hpp>
#include <charrnn/train/checkpoint.hpp>
#include <charrnn/train/checkpoints.hpp>
#include <charrnn/train/csv_log.hpp>
#include <charrnn/train/progress.hpp>

namespace charrnn {

/// How often to save: after so many steps, and after so many seconds, whichever comes first; 0: not by that. At the end of
/// a cycle of the schedule in any case.
struct SaveInterval {
    std::uint64_t steps = 0;  ///< training steps from one to the next
    double seconds = 60;      ///< from one to the next
};

/// Keeps the newest checkpoint of a run at one name. A save that fails is reported, does not stop the run, and leaves
/// the last good file as it was.
///
///     Saver saver("run.safetensors", trainer, alphabet, {.steps = 500});     // or sooner, after a minute
///     trainer.after_step([&](const Progress&) { saver.save_if_due(); });
///     trainer.run(epochs(3));
///     saver.save();
///
/// With `kept`, each save is kept under a name of its own too, and a validation loss asks for one, so that the best is
/// among them. The trainer, the alphabet, the log and `kept` are borrowed.
template <class Tr>
class Saver {
  public:
    /// Told why a save failed. If none is given, a line on stderr.
    using Report = std::function<void(const std::string& reason)>;

    Saver(std::string path, const Tr& trainer, const Alphabet& alphabet, SaveInterval interval = {},
          Report report = {})
        : path_(std::move(path)),
          trainer_(trainer),
          alphabet_(alphabet),
          interval_(interval),
          report_(std::move(report)),
          last_step_(trainer.state().step),
          last_cycle_(trainer.progress().cycle) {}

    /// What is saved with the run: best validation, notes. The log's place is the log's, or none.
    RunExtra extra{};
    /// The log whose place is saved.
    CsvLog* log = nullptr;
    /// Where the newest and the best are kept beside the one file, if anywhere.
    Checkpoints* kept = nullptr;

    /// Save if enough steps or time have gone by since the last time, a cycle has ended, there is a validation loss to
    /// keep, or the run has gone back.
    void save_if_due() {
        const std::uint64_t step = trainer_.state().step;
        const double seconds = std::chrono::duration<double>(Clock::now() - last_time_).count();
        if (saved_ == now()) return;
        // Another schedule counts its own cycles.
        last_cycle_ = std::min(last_cycle_, trainer_.progress().cycle);
        if ((interval_.steps > 0 && step >= last_step_ + interval_.steps) ||
            (interval_.seconds > 0 && seconds >= interval_.seconds) || step < last_step_ ||
            trainer_.progress().cycle > last_cycle_ || (kept != nullptr && loss_at(step)))
            (void)save();
    }
    /// Save now. Whether the newest state is in the file.
    bool save() {
        const std::uint64_t step = trainer_.state().step;
        last_step_ = step;
        last_time_ = Clock::now();
        last_cycle_ = trainer_.progress().cycle;
        try {
            extra.log = log != nullptr ? std::optional(log->mark()) : std::nullopt;
            const std::string bytes = run_bytes(trainer_, alphabet_, extra);
            write_atomically(path_, bytes);
            if (kept != nullptr)
                kept->add(step, loss_at(step), [&](const std::string& to) { write_atomically(to, bytes); });
            saved_ = now();
            return true;
        } catch (const std::exception& e) {  // there may be no memory for the file's bytes, too
            const std::string reason = std::string("not saved: ") + e.what();
            if (report_)
                report_(reason);
            else
                std::fprintf(stderr, "%s\n", reason.c_str());
            return false;
        }
    }
    /// Note a validation loss. Whether it is the best so far; one that is not finite is none, as that of a validation that was
    /// asked to stop.
    bool validation(double loss) {
        if (!std::isfinite(loss)) return false;
        saved_.reset();
        validated_ = {trainer_.state().step, loss};
        if (extra.best_loss && *extra.best_loss <= loss) return false;
        extra.best_loss = loss;
        extra.best_step = trainer_.state().step;
        return true;
    }

  private:
    using Clock = std::chrono::steady_clock;

    /// Which state of the run it is: one that went back comes to a step again, and then with another learning rate.
    [[nodiscard]] std::pair<std::uint64_t, double> now() const {
        return {trainer_.state().step, trainer_.state().lr};
    }
    [[nodiscard]] std::optional<double> loss_at(std::uint64_t step) const {
        return validated_ && validated_->first == step ? std::optional(validated_->second) : std::nullopt;
    }

    std::string path_;
    const Tr& trainer_;
    const Alphabet& alphabet_;
    SaveInterval interval_;
    Report report_;
    std::uint64_t last_step_, last_cycle_;
    Clock::time_point last_time_ = Clock::now();
    std::optional<std::pair<std::uint64_t, double>> saved_,
        validated_;  // steps with learning rate, with loss
};

}  // namespace charrnn
