#pragma once

#include <algorithm>
#include <cmath>
#include <cstddef>
#include <cstdint>
#include <string>
#include <vector>

#include <charrnn/core/error.hpp>
#include <charrnn/core/machine.hpp>
#include <charrnn/core/once.hpp>
#include <charrnn/optim/schedule.hpp>

namespace charrnn {

/// Two parameters of a model that are one, the second being the first transposed: the rows of an Embedding (V, K) and
/// the columns of the Dense (K, V) that predicts. The Trainer copies the first to the second, adds up their gradients,
/// and updates both to the same numbers. In the model, in files and in counts they stay two.
///
///     Trainer trainer(model, Adam(), batches, {.ties = {{"layers.0.W", "layers.3.W"}}});
///
/// Source:  Press and Wolf 2017; Inan, Khosravi and Socher 2017
struct Tie {
    std::string first;   ///< a name, as parameters() gives them
    std::string second;  ///< another
};

/// How a Trainer goes about it.
struct TrainerOptions {
    double clip = 0;           ///< scale the gradient down to this norm where it is larger; 0: never
    double clip_value = 0;     ///< then clip each of its numbers to plus or minus this; 0: never
    double decay = 1;          ///< the learning rate is multiplied by this after each epoch
    std::size_t truncate = 0;  ///< cut the gradient every so many steps inside a window; 0: at its edge only
    std::size_t threads = 0;   ///< 0: as many as there are processors for the program
    std::size_t slices = 0;    ///< groups of lanes that go through time side by side; 0: as many as threads
    std::uint64_t seed = 0;    ///< of what Dropout drops; the order of rows is the source's
    Schedule schedule{};       ///< the learning rate is multiplied by this, too
    std::vector<double>
        rates{};              ///< and by rates[i] in layer i, of all layers (0: it stays as it is); empty: 1
    std::vector<Tie> ties{};  ///< parameters that are to be one
};

namespace detail {

/// The options, with defaults filled in. Errors: value_error for settings out of range
TrainerOptions resolve(TrainerOptions o, std::size_t lanes);
/// Errors: value_error for a learning rate that is not a positive number
void check_rate(double lr);
/// Errors: value_error if there is not one factor for each layer, or one is negative or not finite
void check_rates(const std::vector<double>& rates, std::size_t layers);

}  // namespace detail
}  // namespace charrnn

#ifdef CHARRNN_ONCE
namespace charrnn::detail {

CHARRNN_ONCE TrainerOptions resolve(TrainerOptions o, std::size_t lanes) {
    if (!(o.clip >= 0))
        throw value_error("clip is " + std::to_string(o.clip) + ": expected a norm, or 0 for none");
    if (!(o.clip_value >= 0))
        throw value_error("clip_value is " + std::to_string(o.clip_value) +
                          ": expected a positive number, or 0 for none");
    if (!(o.decay > 0) || !std::isfinite(o.decay))
        throw value_error("decay is " + std::to_string(o.decay) + ": expected a positive factor");
    o.threads = threads_for(o.threads);
    if (o.slices == 0) o.slices = o.threads;
    o.slices = std::min(o.slices, lanes);
    return o;
}
CHARRNN_ONCE void check_rate(double lr) {
    if (!(lr > 0) || !std::isfinite(lr))
        throw value_error("learning rate is " + std::to_string(lr) + ": expected a positive number");
}
CHARRNN_ONCE void check_rates(const std::vector<double>& rates, std::size_t layers) {
    if (!rates.empty() && rates.size() != layers)
        throw value_error("rates: " + std::to_string(rates.size()) + " factors, expected " +
                          std::to_string(layers) + ", one a layer");
    for (const double rate : rates)
        if (!(rate >= 0) || !std::isfinite(rate))
            throw value_error("rates: " + std::to_string(rate) + ", expected 0 or more");
}

}  // namespace charrnn::detail
#endif
