#pragma once

#include <cstdint>

#include <charrnn/core/budget.hpp>
#include <charrnn/optim/adam.hpp>
#include <charrnn/optim/schedule.hpp>
#include <charrnn/train/trainer.hpp>

namespace charrnn {

/// What to train with when nothing was chosen: Adam at a high rate that rises for some steps and then falls to zero along
/// half a cosine, with small gradients and a little dropout.
///
///     rate(step) = lr min(1, (step + 1) / warm_up) (1 + cos(pi step / steps)) / 2,   |gradient| <= clip
///
///     const Recipe recipe{.epochs = 4};
///     Model<> model = char_rnn("lstm", V, 128, 2, random, {.dropout = recipe.dropout});
///     Trainer trainer(model, recipe.optimiser(), batches, recipe.options());
///     trainer.run(epochs(recipe.epochs));
///
/// where steps is the number of windows in `epochs` epochs.
///
/// Units:   lr a step; warm_up in steps
/// Errors:  those of Adam, warm_up, cosine and Trainer, for values out of range
/// Source:  Loshchilov and Hutter 2017 (cosine); Pascanu, Mikolov and Bengio 2013 (clipping)
struct Recipe {
    double epochs = 4;            ///< the length of the run: the rate is zero at its end
    double lr = 0.005;            ///< the highest learning rate
    std::uint64_t warm_up = 100;  ///< steps in which the rate rises; 0: none
    double clip = 1;              ///< the largest norm of a gradient; 0: any
    double dropout = 0.1;         ///< for char_rnn: the share dropped after each recurrent layer
    double weight_decay = 0;      ///< apart from the gradient, as in AdamW

    /// Adam, or AdamW where there is weight decay.
    [[nodiscard]] Adam optimiser() const {
        return Adam(lr, 0.9, 0.999, 1e-8, weight_decay, weight_decay != 0);
    }
    /// The schedule over the run.
    [[nodiscard]] Schedule schedule() const {
        const Schedule falling = cosine(charrnn::epochs(epochs));
        return warm_up > 0 ? charrnn::warm_up(steps(warm_up)) * falling : falling;
    }
    /// What a Trainer takes; threads and seed are for the caller to add.
    [[nodiscard]] TrainerOptions options() const { return {.clip = clip, .schedule = schedule()}; }
};

}  // namespace charrnn
