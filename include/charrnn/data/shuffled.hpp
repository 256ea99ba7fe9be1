#pragma once

#include <algorithm>
#include <cmath>
#include <cstddef>
#include <cstdint>
#include <memory>
#include <string>
#include <utility>
#include <vector>

#include <charrnn/core/error.hpp>
#include <charrnn/core/permutation.hpp>
#include <charrnn/data/batch.hpp>

namespace charrnn {

/// Some windows of another source in an order of their own, the same in each epoch, each read from a zero state.
///
///     const auto [training, held_out] = shuffled_windows(Batches(text, alphabet), 0.05, seed);
///
/// Source:  the Lux tutorial, which shuffles windows and tests on one in twenty
template <BatchSource S>
class ShuffledWindows {
  public:
    /// Errors: value_error for no windows, or one that the source lacks
    ShuffledWindows(S source, std::vector<std::size_t> windows)
        : source_(std::move(source)),
          windows_(std::make_shared<const std::vector<std::size_t>>(std::move(windows))) {
        if (windows_->empty()) throw value_error("ShuffledWindows: no windows");
        for (const std::size_t w : *windows_)
            if (w >= source_.windows())
                throw value_error("ShuffledWindows: no window " + std::to_string(w) + " among " +
                                  std::to_string(source_.windows()));
    }

    [[nodiscard]] std::size_t windows() const { return windows_->size(); }
    [[nodiscard]] std::size_t lanes() const { return source_.lanes(); }
    [[nodiscard]] std::size_t window() const { return source_.window(); }
    [[nodiscard]] std::size_t alphabet_size() const { return source_.alphabet_size(); }

    void fill(std::size_t i, Batch& batch) const {
        source_.fill(windows_->at(i), batch);
        if (batch.begins.empty()) batch.begins.assign(batch.steps * batch.lanes, 0);
        std::fill_n(batch.begins.begin(), batch.lanes, std::uint8_t{1});
    }

  private:
    S source_;
    std::shared_ptr<const std::vector<std::size_t>> windows_;
};

/// The windows of a source in a random order, a share of them held out: {training, held out}.
/// Errors:  value_error if one of the two would be empty
template <BatchSource S>
std::pair<ShuffledWindows<S>, ShuffledWindows<S>> shuffled_windows(const S& source, double held_out = 0.05,
                                                                   std::uint64_t seed = 0) {
    const std::size_t all = source.windows();
    const auto training = static_cast<std::size_t>(
        std::floor(std::min(1.0, std::max(0.0, 1 - held_out)) * static_cast<double>(all)));
    if (training == 0 || training == all)
        throw value_error("shuffled_windows: a share of " + std::to_string(held_out) + " of " +
                          std::to_string(all) + " windows leaves one part empty");
    const Permutation order(all, seed);
    std::vector<std::size_t> first, rest;
    for (std::size_t i = 0; i < all; ++i) (i < training ? first : rest).push_back(order(i));
    return {ShuffledWindows<S>(source, std::move(first)), ShuffledWindows<S>(source, std::move(rest))};
}

}  // namespace charrnn
