#pragma once

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <memory>
#include <utility>
#include <vector>

#include <charrnn/core/error.hpp>
#include <charrnn/core/random.hpp>
#include <charrnn/data/batch.hpp>
#include <charrnn/data/batches.hpp>

namespace charrnn {

/// The lanes of a Batches in windows of random lengths, so that the cuts, where gradients stop, fall elsewhere.
///
/// A length is max(5, the whole part of a normal number with mean T and deviation 5), and in one of twenty windows the
/// mean is T / 2; at most 2 T + 20. The lengths are drawn once; each epoch begins at another of them, so that its cuts
/// differ and the number of windows does not. Every character is a target once an epoch.
/// Source:  fastai's LanguageModelLoader, as the Nietzsche course used it
class Jittered {
  public:
    explicit Jittered(Batches batches, std::uint64_t seed = 0) : batches_(std::move(batches)) {
        Random random(seed);
        std::vector<std::size_t> starts{0};
        const auto mean = static_cast<double>(batches_.window());
        while (starts.back() < batches_.steps()) {
            const double m = random.uniform() < 0.95 ? mean : mean / 2;
            const double drawn = std::min(m + 5 * random.normal(), static_cast<double>(longest()));
            starts.push_back(
                std::min(batches_.steps(), starts.back() + static_cast<std::size_t>(std::max(5.0, drawn))));
        }
        starts_ = std::make_shared<const std::vector<std::size_t>>(std::move(starts));
    }

    [[nodiscard]] std::size_t windows() const { return starts_->size() - 1; }
    [[nodiscard]] std::size_t lanes() const { return batches_.lanes(); }
    /// The longest possible window.
    [[nodiscard]] std::size_t window() const { return std::min(longest(), batches_.steps()); }
    [[nodiscard]] std::size_t alphabet_size() const { return batches_.alphabet_size(); }

    /// Makes `batch` window i of an epoch. Errors: value_error if i >= windows()
    void fill(std::size_t i, Batch& batch, std::uint64_t epoch = 0) const {
        if (i >= windows()) throw value_error("Jittered: no such window");
        // The lengths in a circle, from another one on in each epoch.
        const auto shift = static_cast<std::size_t>(epoch == 0 ? 0 : Random(epoch).below(windows()));
        const auto end_of = [&](std::size_t k) {  // of k windows from the shift on
            const std::size_t j = shift + k, n = windows();
            return j <= n ? (*starts_)[j] - (*starts_)[shift]
                          : (*starts_)[n] - (*starts_)[shift] + (*starts_)[j - n];
        };
        batches_.fill_steps(end_of(i), end_of(i + 1) - end_of(i), batch);
    }

  private:
    [[nodiscard]] std::size_t longest() const { return 2 * batches_.window() + 20; }

    Batches batches_;
    std::shared_ptr<const std::vector<std::size_t>> starts_;  // of each window, and the end
};

static_assert(BatchSource<Jittered>);

}  // namespace charrnn
