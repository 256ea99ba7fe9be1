#pragma once

#include <algorithm>
#include <cmath>
#include <cstddef>
#include <cstdint>
#include <limits>
#include <string>
#include <string_view>
#include <vector>

#include <charrnn/core/error.hpp>
#include <charrnn/core/random.hpp>
#include <charrnn/data/alphabet.hpp>
#include <charrnn/nn/runner.hpp>

namespace charrnn {

/// How to write.
struct SampleOptions {
    std::string prompt{};                ///< text to begin with; empty: a character drawn from the alphabet
    double temperature = 1;              ///< logits are divided by this; 0: always the most likely character
    std::uint64_t seed = 0;              ///< the same seed writes the same text
    Unknown unknown = Unknown::error();  ///< what to do with characters of the prompt that the alphabet lacks
};

/// Writes text, character by character, in constant memory. It has a recurrent state of its own and only reads the
/// model, so nothing of a training run changes; it reads the parameters as they are when it is made.
///
///     Sampler sampler(model, alphabet, {.temperature = 0.7});
///     for (;;) std::cout << sampler.next() << std::flush;
///
/// The stop symbol is never written. Errors: shape_error where the model's widths are not the alphabet's size;
/// value_error for a negative or NaN temperature; data_error for a prompt with an unknown character
template <SequenceModel M>
class Sampler {
    using T = typename M::value_type;

  public:
    Sampler(const M& model, const Alphabet& alphabet, const SampleOptions& options = {})
        : alphabet_(alphabet),
          temperature_(options.temperature),
          random_(options.seed),
          runner_(model, Plan{.extent = {1, 1}}),
          state_(model.zero_state(1)),
          p_(alphabet.size()) {
        detail::check_alphabet(model, alphabet.size());
        if (!(temperature_ >= 0) || !std::isfinite(temperature_))
            throw value_error("temperature is " + std::to_string(temperature_) + ": expected 0 or more");
        runner_.prepare();
        runner_.load(state_);
        const Ids prompt = alphabet_.encode(std::string_view(options.prompt), options.unknown);
        for (std::size_t i = 0; i < prompt.size(); ++i) pending_.push_back(prompt[i]);
        if (pending_.empty()) pending_.push_back(any_character());
        std::reverse(pending_.begin(), pending_.end());
    }

    /// The next character's id: first those of the prompt, then what the model writes.
    std::uint32_t next_id() {
        std::uint32_t id = 0;
        if (!pending_.empty()) {
            id = pending_.back();
            pending_.pop_back();
        } else {
            id = choose();
        }
        feed(id);
        return id;
    }
    /// The next character, in the text's encoding.
    std::string next() {
        std::string s;
        alphabet_.append_to(s, next_id());
        return s;
    }
    /// How many characters of the prompt are still to come.
    [[nodiscard]] std::size_t prompt_left() const { return pending_.size(); }

    /// The probabilities of the next character at this temperature, by id; they sum to 1.
    const std::vector<double>& distribution() {
        const View<const T> logits = runner_.output(1);
        const bool has_stop = alphabet_.has_stop();
        double most = -std::numeric_limits<double>::infinity();
        for (std::size_t j = 0; j < p_.size(); ++j)
            if (!has_stop || j != alphabet_.stop_id())
                most = std::max(most, static_cast<double>(logits(0, j)));
        double total = 0;
        for (std::size_t j = 0; j < p_.size(); ++j) {
            const double above = static_cast<double>(logits(0, j)) - most;
            p_[j] = has_stop && j == alphabet_.stop_id() ? 0
                    : temperature_ > 0                   ? std::exp(above / temperature_)
                                                         : (above == 0 ? 1 : 0);
            total += p_[j];
        }
        if (!std::isfinite(total) || total <= 0)
            throw numeric_error("sampling: the model's output is not finite");
        for (double& p : p_) p /= total;
        return p_;
    }

  private:
    void feed(std::uint32_t id) {
        runner_.forward({&id, {}}, {}, 1, Lanes{0, 1});
        runner_.store(state_, 1);
        runner_.load(state_);
    }
    std::uint32_t any_character() {
        std::uint32_t id = 0;
        do id = static_cast<std::uint32_t>(random_.below(alphabet_.size()));
        while (alphabet_.has_stop() && id == alphabet_.stop_id() && alphabet_.size() > 1);
        return id;
    }
    std::uint32_t choose() {
        const std::vector<double>& p = distribution();
        double u = random_.uniform();
        std::size_t last = 0;  // the last possible one: rounding may leave a little of u
        for (std::size_t j = 0; j < p.size(); ++j) {
            if (p[j] <= 0) continue;
            last = j;
            if ((u -= p[j]) < 0) break;
        }
        return static_cast<std::uint32_t>(last);
    }

    Alphabet alphabet_;
    double temperature_;
    Random random_;
    Runner<T> runner_;
    State<T> state_;
    std::vector<double> p_;
    std::vector<std::uint32_t> pending_;
};

/// Write `length` characters after the prompt, and hand each to `sink(std::string_view)` as it comes; memory does not
/// grow with the length. Errors as Sampler.
template <SequenceModel M, class Sink>
void sample_to(const M& model, const Alphabet& alphabet, std::size_t length, const SampleOptions& options,
               Sink sink) {
    Sampler<M> sampler(model, alphabet, options);
    for (std::size_t left = length + (options.prompt.empty() ? 0 : sampler.prompt_left()); left > 0; --left)
        sink(std::string_view(sampler.next()));
}

/// The prompt and `length` characters after it. Errors as Sampler.
template <SequenceModel M>
std::string sample(const M& model, const Alphabet& alphabet, std::size_t length,
                   const SampleOptions& options = {}) {
    std::string text;
    sample_to(model, alphabet, length, options, [&](std::string_view s) { text += s; });
    return text;
}

}  // namespace charrnn
