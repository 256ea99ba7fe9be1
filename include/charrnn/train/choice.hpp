#pragma once

#include <algorithm>
#include <cmath>
#include <cstddef>
#include <cstdint>
#include <limits>
#include <numeric>
#include <optional>
#include <string>
#include <vector>

#include <charrnn/core/buffer.hpp>
#include <charrnn/core/error.hpp>
#include <charrnn/core/random.hpp>
#include <charrnn/core/simd.hpp>
#include <charrnn/core/vecmath.hpp>
#include <charrnn/data/alphabet.hpp>

/// @file
/// From logits to a character.

namespace charrnn {

/// How to write.
struct SampleOptions {
    std::string prompt{};            ///< text to begin with; empty: a character drawn from the alphabet
    double temperature = 1;          ///< logits are divided by this; 0: always the most likely character
    std::size_t top_k = 0;           ///< only the k most likely characters; 0: all
    double top_p = 1;                ///< only the most likely characters that together have this probability
    std::uint64_t seed = 0;          ///< the same seed writes the same text
    std::size_t threads = 1;         ///< 0: one a processor; the text does not depend on it
    std::optional<char32_t> stop{};  ///< writing ends where this character would stand
    Unknown unknown = Unknown::error();  ///< what to do with characters of the prompt that the alphabet lacks
};

namespace detail {

/// x becomes e^((x - max x) / temperature), and its sum is left in `total`. There is room for whole vectors.
template <class T>
struct SoftmaxWeights {
    T* x;
    std::size_t count;
    T temperature;
    T* total;

    template <class Isa>
    CHARRNN_INLINE void operator()(Isa) const {
        using V = typename Isa::template pack<T>;
        for (std::size_t j = count; j % V::size != 0; ++j) x[j] = std::numeric_limits<T>::lowest();
        V most = V::load(x);
        for (std::size_t j = V::size; j < count; j += V::size) most = max(most, V::load(x + j));
        const V top = V::all(largest(most)), factor = V::all(T(1) / temperature);
        V all = V::all(T(0));
        for (std::size_t j = 0; j < count; j += V::size) {
            const V e = simd::exp((V::load(x + j) - top) * factor);
            e.store(x + j);
            all = all + e;
        }
        *total = sum(all);
    }
};

/// From logits to a character: temperature, top-k, top-p, and which character is never written.
template <class T>
class Choice {
  public:
    /// Errors: value_error for settings out of range; data_error for a stop character that the alphabet lacks
    Choice(const Alphabet& alphabet, const SampleOptions& o);

    /// The character that ends writing.
    [[nodiscard]] std::optional<std::uint32_t> stop() const { return stop_; }

    /// Take over a row of logits. Errors: numeric_error for logits that are not finite
    Choice& read(const T* logits);

    /// The probabilities, by id; they sum to 1.
    const std::vector<double>& distribution() {
        for (std::size_t j = 0; j < p_.size(); ++j) p_[j] = static_cast<double>(weights_[j]) / total_;
        return p_;
    }

    /// A character from them.
    std::uint32_t draw(Random& random) const;

  private:
    /// Leaves the likeliest characters only; of equal ones those with the smaller ids.
    void cut();

    double temperature_;
    std::size_t top_k_;
    double top_p_;
    std::optional<std::uint32_t> stop_, never_;
    // Weights are added up by blocks, so that a sum does not wait for the one before.
    static constexpr std::size_t block = 16;
    Buffer<T> weights_;         // the probabilities times a number
    std::vector<double> sums_;  // of each block
    double total_ = 0;          // that number
    std::vector<double> p_;
    std::vector<std::size_t> order_;
};

// Outside the class, and so not inline: see instances.hpp.

template <class T>
Choice<T>::Choice(const Alphabet& alphabet, const SampleOptions& o)
    : temperature_(o.temperature),
      top_k_(o.top_k),
      top_p_(o.top_p),
      weights_(round_up(alphabet.size(), 64 / sizeof(T))),
      sums_(tiles_of(alphabet.size(), block)),
      p_(alphabet.size()),
      order_(p_.size()) {
    if (!(o.temperature >= 0) || !std::isfinite(o.temperature))
        throw value_error("temperature is " + std::to_string(o.temperature) + ": expected 0 or more");
    if (!(o.top_p > 0 && o.top_p <= 1))
        throw value_error("top_p is " + std::to_string(o.top_p) + ": expected more than 0 and at most 1");
    if (o.stop) stop_ = alphabet.id(*o.stop);
    if (alphabet.has_stop() && stop_ != alphabet.stop_id()) never_ = alphabet.stop_id();
}
template <class T>
Choice<T>& Choice<T>::read(const T* logits) {
    constexpr T lowest = std::numeric_limits<T>::lowest();
    std::copy_n(logits, p_.size(), weights_.data());
    if (never_) weights_[*never_] = lowest;
    T total = 0;
    if (temperature_ > 1e-30) {
        simd::dispatch(simd::level(),
                       SoftmaxWeights<T>{weights_.data(), p_.size(), static_cast<T>(temperature_), &total});
        // Far below the likeliest, exp stops at its smallest number; what is never written has none.
        if (never_) weights_[*never_] = T(0);
    } else {
        const T most = *std::max_element(weights_.data(), weights_.data() + p_.size());
        for (std::size_t j = 0; j < p_.size(); ++j) {
            total += weights_[j] - weights_[j];  // a NaN, or infinity, shows
            weights_[j] = weights_[j] == most ? T(1) : T(0);
            total += weights_[j];
        }
    }
    if (!std::isfinite(total) || total <= 0)
        throw numeric_error("sampling: the model's output is not finite");
    if ((top_k_ > 0 && top_k_ < p_.size()) || top_p_ < 1) cut();
    total_ = 0;
    for (std::size_t b = 0; b < sums_.size(); ++b) {
        double sum = 0;
        for (std::size_t j = b * block; j < std::min(p_.size(), (b + 1) * block); ++j)
            sum += static_cast<double>(weights_[j]);
        total_ += sums_[b] = sum;
    }
    return *this;
}
template <class T>
std::uint32_t Choice<T>::draw(Random& random) const {
    double u = random.uniform() * total_;
    std::size_t b = 0;
    for (; b + 1 < sums_.size() && u >= sums_[b]; ++b) u -= sums_[b];
    // Rounding may leave a little of u: behind the last block with a possible character, and behind its last one.
    while (b > 0 && sums_[b] <= 0) --b;
    std::size_t last = b * block;
    for (std::size_t j = b * block; j < std::min(p_.size(), (b + 1) * block); ++j) {
        if (weights_[j] <= 0) continue;
        last = j;
        if ((u -= static_cast<double>(weights_[j])) < 0) break;
    }
    return static_cast<std::uint32_t>(last);
}
template <class T>
void Choice<T>::cut() {
    std::iota(order_.begin(), order_.end(), std::size_t{0});
    std::sort(order_.begin(), order_.end(), [this](std::size_t a, std::size_t b) {
        return weights_[a] != weights_[b] ? weights_[a] > weights_[b] : a < b;
    });
    double all = 0;
    for (const std::size_t j : order_) all += static_cast<double>(weights_[j]);
    const std::size_t most = top_k_ > 0 ? std::min(top_k_, p_.size()) : p_.size();
    double sum = 0;
    std::size_t kept = 0;
    while (kept < most && sum < top_p_ * all) sum += static_cast<double>(weights_[order_[kept++]]);
    for (std::size_t i = kept; i < order_.size(); ++i) weights_[order_[i]] = T(0);
}

}  // namespace detail
}  // namespace charrnn
