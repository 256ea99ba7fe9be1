#pragma once

#include <cstddef>
#include <optional>
#include <string>

#include <charrnn/data/alphabet.hpp>
#include <charrnn/nn/model.hpp>
#include <charrnn/train/sample.hpp>

#include "operations.hpp"
#include "training_step.hpp"

namespace charrnn::bench {

/// Text written as a program writes it: one stream with a Sampler, several with sample_streams, at temperature 1.
class Writing {
  public:
    static constexpr std::size_t characters = 2000;  ///< of a stream in a call

    Writing(const Setting& setting, std::size_t streams)
        : setting_(setting),
          streams_(streams),
          alphabet_(Alphabet::from_symbols(symbols(setting.vocabulary))),
          model_(char_rnn<float>(setting.cell, setting.vocabulary, setting.hidden, setting.layers)) {
        set_threads(options_, setting.threads);
        if (streams == 1) sampler_.emplace(model_, alphabet_, options_);
        options_.prompt = "A";
    }

    /// Write so many characters in each stream.
    void operator()() {
        if (sampler_)
            for (std::size_t i = 0; i < characters; ++i) last_ = sampler_->next_id();
        else
            last_ = sample_streams(model_, alphabet_, characters, streams_, options_).size();
    }

    /// Characters in a call, of all streams.
    [[nodiscard]] double characters_in_all() const { return static_cast<double>(characters * streams_); }
    /// Useful operations in a call.
    [[nodiscard]] double operations() const {
        return characters_in_all() *
               training_operations(setting_.cell, setting_.vocabulary, setting_.hidden, setting_.layers) / 3;
    }
    /// The bytes of weights that a character needs: all but the first layer's input weights, of which it needs a row.
    [[nodiscard]] double weight_bytes() const {
        return training_operations(setting_.cell, setting_.vocabulary, setting_.hidden, setting_.layers) / 6 *
               sizeof(float);
    }
    [[nodiscard]] std::size_t parameters() const { return count_parameters(model_); }

  private:
    /// turns/run compiles this with versions of the library that wrote on one thread only, too.
    static void set_threads(auto& options, std::size_t threads) {
        if constexpr (requires { options.threads; }) options.threads = threads;
    }
    static std::u32string symbols(std::size_t count) {
        std::u32string all;
        for (std::size_t i = 0; i < count; ++i) all += static_cast<char32_t>(U' ' + i);
        return all;
    }

    Setting setting_;
    std::size_t streams_;
    Alphabet alphabet_;
    Model<float> model_;
    SampleOptions options_;
    std::optional<Sampler<float>> sampler_;
    volatile std::size_t last_ = 0;
};

}  // namespace charrnn::bench
