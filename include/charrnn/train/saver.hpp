#pragma once

#include <chrono>
#include <cstdint>
#include <cstdio>
#include <functional>
#include <optional>
#include <string>
#include <utility>

#include <charrnn/core/error.hpp>
#include <charrnn/data/alphabet.hpp>
#include <charrnn/train/checkpoint.hpp>
#include <charrnn/train/csv_log.hpp>
#include <charrnn/train/progress.hpp>

namespace charrnn {

/// How often to save: after so many steps, or so many seconds; 0: not by that.
struct SaveInterval {
    std::uint64_t steps = 0;  ///< training steps from one to the next
    double seconds = 60;      ///< from one to the next
};

/// Keeps the newest checkpoint of a run at one name. A save that fails is reported, does not stop the run, and leaves
/// the last good file as it was.
///
///     Saver saver("run.safetensors", trainer, alphabet, {.steps = 500});
///     trainer.after_step([&](const Progress&) { saver.save_if_due(); });
///     trainer.run(epochs(3));
///     saver.save();
///
/// The trainer, the alphabet and the log are borrowed.
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
          last_step_(trainer.state().step) {}

    /// What is saved with the run: best validation, notes. The log's place is filled in if there is one.
    RunExtra extra{};
    /// The log whose place is saved.
    CsvLog* log = nullptr;

    /// Save if enough steps or time have gone by since the last time.
    void save_if_due() {
        const std::uint64_t step = trainer_.state().step;
        const double seconds = std::chrono::duration<double>(Clock::now() - last_time_).count();
        if ((interval_.steps > 0 && step >= last_step_ + interval_.steps) ||
            (interval_.seconds > 0 && seconds >= interval_.seconds))
            (void)save();
    }
    /// Save now, unless this very step is saved already. Whether the newest state is in the file.
    bool save() {
        const std::uint64_t step = trainer_.state().step;
        if (saved_ && *saved_ == step) return true;
        last_step_ = step;
        last_time_ = Clock::now();
        try {
            if (log != nullptr) extra.log = log->mark();
            save_run(path_, trainer_, alphabet_, extra);
            saved_ = step;
            return true;
        } catch (const error& e) {
            const std::string reason = std::string("not saved: ") + e.what();
            if (report_)
                report_(reason);
            else
                std::fprintf(stderr, "%s\n", reason.c_str());
            return false;
        }
    }
    /// Note a validation loss. Whether it is the best so far.
    bool validation(double loss) {
        if (extra.best_loss && *extra.best_loss <= loss) return false;
        extra.best_loss = loss;
        extra.best_step = trainer_.state().step;
        return true;
    }

  private:
    using Clock = std::chrono::steady_clock;

    std::string path_;
    const Tr& trainer_;
    const Alphabet& alphabet_;
    SaveInterval interval_;
    Report report_;
    std::uint64_t last_step_;
    Clock::time_point last_time_ = Clock::now();
    std::optional<std::uint64_t> saved_;
};

}  // namespace charrnn
