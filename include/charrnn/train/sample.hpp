#pragma once

#include <algorithm>
#include <concepts>
#include <cstddef>
#include <cstdint>
#include <iterator>
#include <limits>
#include <memory>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include <charrnn/core/error.hpp>
#include <charrnn/core/machine.hpp>
#include <charrnn/core/random.hpp>
#include <charrnn/core/threads.hpp>
#include <charrnn/data/alphabet.hpp>
#include <charrnn/nn/runner.hpp>
#include <charrnn/train/choice.hpp>

namespace charrnn {

/// Writes text, character by character, in constant memory. It has a recurrent state of its own and only reads the
/// model, so nothing of a training run changes; it reads the parameters as they are when it is made.
///
///     Sampler sampler(model, alphabet, {.temperature = 0.7});
///     for (const std::string& character : sampler.take(500)) std::cout << character << std::flush;
///
/// With SampleOptions::threads above 1 each layer's units are shared out, and the threads meet after each layer: it pays from some
/// 128 units on, most where the weights do not fit a core's cache, and little where the cores share none. Between characters the
/// others wait, asleep after 0.1 ms.
///
/// A sampler is itself a range, one without end unless SampleOptions::stop is written: `for (const auto& c : sampler)`.
/// The alphabet's stop symbol is never written. Errors: shape_error where the model's widths are not the alphabet's
/// size; value_error for settings out of range; data_error for a prompt with an unknown character, or a stop character
/// that the alphabet lacks
template <class T>
class Sampler {
  public:
    /// The characters that are still to come, each written when it is asked for; an input iterator.
    class Iterator {
      public:
        /// As the standard library asks for them.
        using iterator_category = std::input_iterator_tag;
        using value_type = std::string;          ///< a character
        using difference_type = std::ptrdiff_t;  ///< not used
        using pointer = const std::string*;      ///< of operator->
        using reference = const std::string&;    ///< of operator*

        /// `count` characters of a sampler, which must outlive it.
        Iterator(Sampler& sampler, std::size_t count) : sampler_(&sampler), left_(count) { advance(); }
        /// A character, in the text's encoding.
        reference operator*() const { return character_; }
        /// Access to it.
        pointer operator->() const { return &character_; }
        /// Write the next one.
        Iterator& operator++() {
            advance();
            return *this;
        }
        /// The same; the one before is gone.
        void operator++(int) { advance(); }
        /// Whether there is none any more: so many were written, or SampleOptions::stop came.
        friend bool operator==(const Iterator& i, std::default_sentinel_t) { return i.over_; }

      private:
        void advance() {
            over_ = left_ == 0 || sampler_->ended();
            if (over_) return;
            --left_;
            character_ = sampler_->next();
            over_ = sampler_->ended();
        }

        Sampler* sampler_;
        std::size_t left_;
        bool over_ = false;
        std::string character_;
    };

    /// Some of a sampler's characters as a range; see take.
    class Characters {
      public:
        Characters(Sampler& sampler, std::size_t count) : sampler_(&sampler), count_(count) {}
        /// The first of them, which is written now.
        [[nodiscard]] Iterator begin() const { return Iterator(*sampler_, count_); }
        /// Behind the last of them.
        [[nodiscard]] std::default_sentinel_t end() const { return std::default_sentinel; }

      private:
        Sampler* sampler_;
        std::size_t count_;
    };

    /// The model is not copied, and must outlive the sampler.
    template <SequenceModel M>
    requires std::same_as<typename M::value_type, T> Sampler(const M& model, const Alphabet& alphabet,
                                                             const SampleOptions& options = {})
        : Sampler((detail::check_alphabet(model, alphabet.size()), Runner<T>(model, Plan{.extent = {1, 1}})),
                  model.zero_state(1), alphabet, options) {}

    /// The next character's id: first those of the prompt, then what the model writes.
    std::uint32_t next_id();
    /// The next character, in the text's encoding.
    std::string next() {
        std::string s;
        alphabet_.append_to(s, next_id());
        return s;
    }
    /// The next `count` characters as a range, those of the prompt among them, and fewer where SampleOptions::stop comes
    /// before. The sampler goes on behind them.
    [[nodiscard]] Characters take(std::size_t count) { return Characters(*this, count); }
    /// The next character, which is written now, and all after it.
    [[nodiscard]] Iterator begin() { return Iterator(*this, std::numeric_limits<std::size_t>::max()); }
    /// Where SampleOptions::stop stands, if ever.
    [[nodiscard]] std::default_sentinel_t end() const { return std::default_sentinel; }
    /// How many characters of the prompt are still to come.
    [[nodiscard]] std::size_t prompt_left() const { return prompted_ ? pending_.size() : 0; }
    /// Whether the last character was SampleOptions::stop.
    [[nodiscard]] bool ended() const { return ended_; }

    /// Forget everything that was read, and read these characters from a zero state.
    void reread(const std::vector<std::uint32_t>& ids) {
        pending_.clear();
        runner_.load(zero_);
        for (const std::uint32_t id : ids) feed(id);
    }

    /// The probabilities of the next character under the options, by id; they sum to 1.
    const std::vector<double>& distribution() {
        return choice_.read(runner_.output(1).row(0)).distribution();
    }

  private:
    Sampler(Runner<T> runner, State<T> zero, const Alphabet& alphabet, const SampleOptions& options);
    void feed(std::uint32_t id);
    std::uint32_t any_character();

    Alphabet alphabet_;
    detail::Choice<T> choice_;
    Random random_;
    std::unique_ptr<Team> team_;
    Runner<T> runner_;
    State<T> zero_;
    bool ended_ = false, prompted_ = false;
    std::vector<std::uint32_t> pending_;
};

template <SequenceModel M>
Sampler(const M&, const Alphabet&, const SampleOptions& = {}) -> Sampler<typename M::value_type>;

// Outside the class, and so not inline: see instances.hpp.
template <class T>
Sampler<T>::Sampler(Runner<T> runner, State<T> zero, const Alphabet& alphabet, const SampleOptions& options)
    : alphabet_(alphabet),
      choice_(alphabet, options),
      random_(options.seed),
      team_(std::make_unique<Team>(threads_for(options.threads))),
      runner_(std::move(runner)),
      zero_(std::move(zero)) {
    runner_.prepare();
    runner_.load(zero_);
    const Ids prompt = alphabet_.encode(std::string_view(options.prompt), options.unknown);
    for (std::size_t i = 0; i < prompt.size(); ++i) pending_.push_back(prompt[i]);
    prompted_ = !pending_.empty();
    if (!prompted_) pending_.push_back(any_character());
    std::reverse(pending_.begin(), pending_.end());
}
template <class T>
std::uint32_t Sampler<T>::next_id() {
    std::uint32_t id = 0;
    if (!pending_.empty()) {
        id = pending_.back();
        pending_.pop_back();
    } else {
        id = choice_.read(runner_.output(1).row(0)).draw(random_);
        ended_ = id == choice_.stop();
    }
    feed(id);
    return id;
}
template <class T>
void Sampler<T>::feed(std::uint32_t id) {
    runner_.forward({&id, {}}, *team_);
    runner_.advance(1, {0, 1});
}
template <class T>
std::uint32_t Sampler<T>::any_character() {
    std::uint32_t id = 0;
    do id = static_cast<std::uint32_t>(random_.below(alphabet_.size()));
    while (alphabet_.has_stop() && id == alphabet_.stop_id() && alphabet_.size() > 1);
    return id;
}

/// Write `length` characters after the prompt (fewer where SampleOptions::stop comes before), and hand each to
/// `sink(std::string_view)` as it comes; memory does not grow with the length. Errors as Sampler.
template <SequenceModel M, class Sink>
void sample_to(const M& model, const Alphabet& alphabet, std::size_t length, const SampleOptions& options,
               Sink sink) {
    Sampler sampler(model, alphabet, options);
    for (std::size_t left = length + sampler.prompt_left(); left > 0; --left) {
        const std::string s = sampler.next();
        if (sampler.ended()) return;
        sink(std::string_view(s));
    }
}

/// The prompt and `length` characters after it. Errors as Sampler.
template <SequenceModel M>
std::string sample(const M& model, const Alphabet& alphabet, std::size_t length,
                   const SampleOptions& options = {}) {
    std::string text;
    sample_to(model, alphabet, length, options, [&](std::string_view s) { text += s; });
    return text;
}

/// Several texts at once, side by side in the lanes of one Runner: text i is what sample would write with the i-th
/// stream of the seed, and text 0 what it does write. SampleOptions::threads share the texts among them. Needs a prompt.
/// Errors:  as Sampler; value_error for no texts; data_error for an empty prompt
template <SequenceModel M>
std::vector<std::string> sample_streams(const M& model, const Alphabet& alphabet, std::size_t length,
                                        std::size_t streams, const SampleOptions& options) {
    using T = typename M::value_type;
    detail::check_alphabet(model, alphabet.size());
    if (streams == 0) throw value_error("sample_streams: 0 texts, expected at least 1");
    const Ids prompt = alphabet.encode(std::string_view(options.prompt), options.unknown);
    if (prompt.empty()) throw data_error("sample_streams: the prompt is empty");
    const BlasThreads one;
    Team team(std::min(threads_for(options.threads), streams));
    Runner<T> runner(model, Plan{.extent = {1, streams}});
    std::vector<std::string> texts(streams);
    runner.prepare();
    runner.load(model.zero_state(streams));
    // Threads never wait for each other, and what one writes at each step is in memory of its own.
    team.run([&](std::size_t thread) {
        const Lanes lanes = Lanes::of(streams, thread, team.size());
        detail::Choice<T> choice(alphabet, options);
        std::vector<std::uint32_t> ids(streams);
        std::vector<Random> random;
        for (std::size_t i = 0; i < lanes.count; ++i) random.emplace_back(options.seed, lanes.first + i);
        std::vector<std::string> written(lanes.count);
        std::vector<bool> ended(lanes.count);
        for (std::size_t at = 0; at < prompt.size() + length; ++at) {
            for (std::size_t i = 0; i < lanes.count; ++i) {
                std::uint32_t& id = ids[lanes.first + i];
                if (at < prompt.size()) {
                    id = prompt[at];
                } else if (!ended[i]) {
                    id = choice.read(runner.output(1).row(lanes.first + i)).draw(random[i]);
                    ended[i] = id == choice.stop();
                }
                if (!ended[i]) alphabet.append_to(written[i], id);
            }
            runner.forward({ids.data(), {}}, {}, 1, lanes);
            runner.advance(1, lanes);
        }
        std::move(written.begin(), written.end(), texts.begin() + static_cast<std::ptrdiff_t>(lanes.first));
    });
    return texts;
}

/// The probabilities of the character after a context that is read from a zero state, by id.
/// Errors:  as Sampler; data_error for an empty context
template <SequenceModel M>
std::vector<double> next_distribution(const M& model, const Alphabet& alphabet, const std::string& context,
                                      SampleOptions options = {}) {
    options.prompt = context;
    Sampler sampler(model, alphabet, options);
    if (sampler.prompt_left() == 0) throw data_error("next_distribution: the context is empty");
    while (sampler.prompt_left() > 0) sampler.next_id();
    return sampler.distribution();
}

/// The prompt and n more characters, each written by a model that has read the last characters only, as many as the
/// prompt has, from a zero state: for models that learnt from rows of that length.
///
///     get_next_n(model, alphabet, 40, {.prompt = "for thos", .temperature = 0})
///
/// Errors:  as Sampler; data_error for an empty prompt
/// Source:  fastai's course, lesson 6
template <SequenceModel M>
std::string get_next_n(const M& model, const Alphabet& alphabet, std::size_t n,
                       const SampleOptions& options) {
    const Ids prompt = alphabet.encode(std::string_view(options.prompt), options.unknown);
    if (prompt.empty()) throw data_error("get_next: the prompt is empty");
    std::vector<std::uint32_t> window;
    std::string text;
    for (std::size_t i = 0; i < prompt.size(); ++i) {
        window.push_back(prompt[i]);
        alphabet.append_to(text, prompt[i]);
    }
    Sampler sampler(model, alphabet, options);
    for (; n > 0; --n) {
        sampler.reread(window);
        const std::uint32_t id = sampler.next_id();
        if (sampler.ended()) break;
        alphabet.append_to(text, id);
        window.erase(window.begin());
        window.push_back(id);
    }
    return text;
}

/// The next character alone. Errors and source as get_next_n.
template <SequenceModel M>
std::string get_next(const M& model, const Alphabet& alphabet, const SampleOptions& options) {
    const std::string prompt = get_next_n(model, alphabet, 0, options);
    return get_next_n(model, alphabet, 1, options).substr(prompt.size());
}

}  // namespace charrnn
