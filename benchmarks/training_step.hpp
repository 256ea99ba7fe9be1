#pragma once

#include <cstddef>
#include <cstdint>
#include <string>
#include <utility>

#include <charrnn/core/buffer.hpp>
#include <charrnn/core/random.hpp>
#include <charrnn/data/batches.hpp>
#include <charrnn/data/ids.hpp>
#include <charrnn/nn/model.hpp>
#include <charrnn/optim/adam.hpp>
#include <charrnn/train/trainer.hpp>

#include "operations.hpp"

namespace charrnn::bench {

/// What is trained, and how. As it stands: the Flux documents' model.
struct Setting {
    std::string cell = "lstm";
    std::size_t hidden = 128;
    std::size_t layers = 2;
    std::size_t lanes = 50;
    std::size_t window = 50;
    std::size_t vocabulary = 101;
    std::size_t windows = 8;  ///< in an epoch
    std::size_t threads = 1;
    std::size_t slices = 0;  ///< 0: as the Trainer chooses
    double lr = 0.002;
    double clip = 0;
};

/// Whole training steps as a program makes them, with the Trainer, on random ids: window, forward, loss, backward,
/// gradients, norm, Adam, and renewing the private copies of the weights.
class TrainingStep {
  public:
    explicit TrainingStep(const Setting& setting)
        : setting_(setting),
          model_(char_rnn<float>(setting.cell, setting.vocabulary, setting.hidden, setting.layers)),
          trainer_(model_, Adam(setting.lr), source(setting),
                   {.clip = setting.clip, .threads = setting.threads, .slices = setting.slices}) {}

    /// One step; how long it took by the Trainer's own clock, which is that of its progress.
    double operator()() {
        const double before = trainer_.progress().seconds;
        trainer_.run(steps(1));
        return trainer_.progress().seconds - before;
    }

    /// Characters in a step.
    [[nodiscard]] double characters() const {
        return static_cast<double>(setting_.lanes) * static_cast<double>(setting_.window);
    }
    /// Useful operations in a step.
    [[nodiscard]] double operations() const {
        return characters() *
               training_operations(setting_.cell, setting_.vocabulary, setting_.hidden, setting_.layers);
    }
    [[nodiscard]] double loss() const { return trainer_.progress().loss; }
    [[nodiscard]] const TrainerOptions& options() const { return trainer_.options(); }
    [[nodiscard]] std::size_t parameters() const { return count_parameters(model_); }

  private:
    /// Full windows, so that every step is the same work.
    static Batches source(const Setting& s) {
        Random random(2);
        Buffer<std::uint16_t> ids(s.windows * s.lanes * s.window);
        for (auto& id : ids) id = static_cast<std::uint16_t>(random.below(s.vocabulary));
        return Batches(Ids(std::move(ids)), s.vocabulary, {}, {.lanes = s.lanes, .window = s.window});
    }

    Setting setting_;
    Model<float> model_;
    Trainer<Model<float>, Adam, Batches> trainer_;
};

}  // namespace charrnn::bench
