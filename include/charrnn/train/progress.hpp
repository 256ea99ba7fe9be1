#pragma once

#include <cmath>
#include <cstddef>
#include <cstdint>
#include <cstdio>
#include <ostream>
#include <string>

namespace charrnn {

/// Where a training run stands.
struct Progress {
    std::uint64_t step = 0;        ///< steps done since the run began
    std::uint64_t epoch = 0;       ///< whole passes over the data done
    std::uint64_t cycle = 0;       ///< cycles of the schedule done
    std::size_t window = 0;        ///< windows done in this pass
    std::size_t windows = 0;       ///< windows in a pass
    std::uint64_t characters = 0;  ///< targets learnt from
    double seconds = 0;            ///< spent in training steps
    double loss = 0;               ///< of the last step, nats a character; 0 before one, after a resume too
    double mean_loss = 0;          ///< over about the last hundred steps
    double learning_rate = 0;      ///< of the last step
    double gradient_norm = 0;      ///< of the last step, before clipping
    double rate = 0;               ///< characters a second, over about the last hundred steps
    double done = 0;               ///< share of what run() was asked for, 0 to 1
    double seconds_left = 0;       ///< an estimate, until run() has done what it was asked for

    friend std::ostream& operator<<(std::ostream& out, const Progress& p) {
        char line[160];
        std::snprintf(
            line, sizeof line, "step %llu  epoch %.2f", static_cast<unsigned long long>(p.step),
            static_cast<double>(p.epoch) +
                (p.windows > 0 ? static_cast<double>(p.window) / static_cast<double>(p.windows) : 0.0));
        out << line;
        if (p.rate == 0) return out;  // no step of this process: no loss is known
        std::snprintf(line, sizeof line, "  loss %.3f nats (%.3f bits) a character  %.0f characters/s",
                      p.mean_loss, p.mean_loss / std::log(2.0), p.rate);
        return out << line;
    }
};

}  // namespace charrnn
