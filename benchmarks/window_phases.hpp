#pragma once

#include <array>
#include <chrono>
#include <cstddef>
#include <cstdint>
#include <vector>

#include <charrnn/core/random.hpp>
#include <charrnn/nn/model.hpp>
#include <charrnn/nn/runner.hpp>

#include "peak.hpp"
#include "training_step.hpp"

namespace charrnn::bench {

/// The phases of a training step one after the other, as the Trainer runs them on one thread but for the update. Whatever a
/// phase finds in the caches, the one before has left there.
class WindowPhases {
  public:
    static constexpr std::array<const char*, 6> names{"prepare",  "forward",  "loss",
                                                      "backward", "gradient", "collect"};

    explicit WindowPhases(const Setting& setting)
        : extent_{setting.lanes, setting.window},
          model_(char_rnn<float>(setting.cell, setting.vocabulary, setting.hidden, setting.layers)),
          runner_(model_, Plan{.extent = extent_, .ids = true, .backward = true}),
          ids_(extent_.rows()),
          targets_(extent_.rows()) {
        Random random(1);
        for (auto& id : ids_) id = static_cast<std::uint32_t>(random.below(setting.vocabulary));
        for (auto& id : targets_) id = static_cast<std::uint32_t>(random.below(setting.vocabulary));
        runner_.load(model_.zero_state(extent_.lanes));
    }
    WindowPhases(const WindowPhases&) = delete;
    WindowPhases& operator=(const WindowPhases&) = delete;

    /// One window; the seconds that each phase took.
    std::array<double, names.size()> operator()() {
        const Input<float> x{ids_.data(), {}};
        const Context context{.training = true};
        const Lanes all{0, extent_.lanes};
        const float scale = 1.0F / static_cast<float>(extent_.rows());
        std::array<Clock::time_point, names.size() + 1> at{Clock::now()};
        runner_.prepare();
        at[1] = Clock::now();
        runner_.forward(x, context, extent_.steps, all);
        at[2] = Clock::now();
        runner_.loss(targets_.data(), nullptr, extent_.steps, all, &scale);
        at[3] = Clock::now();
        runner_.backward(x, context, extent_.steps, all);
        at[4] = Clock::now();
        runner_.gradient(x, context, extent_.steps, Part{});
        at[5] = Clock::now();
        runner_.collect(Part{});
        at[6] = Clock::now();
        std::array<double, names.size()> seconds{};
        for (std::size_t i = 0; i < names.size(); ++i)
            seconds[i] = std::chrono::duration<double>(at[i + 1] - at[i]).count();
        return seconds;
    }

  private:
    Extent extent_;
    Model<float> model_;
    Runner<float> runner_;
    std::vector<std::uint32_t> ids_, targets_;
};

}  // namespace charrnn::bench
