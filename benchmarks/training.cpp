#include <algorithm>
#include <cstddef>
#include <limits>
#include <string>
#include <vector>

#include <charrnn/core/buffer.hpp>
#include <charrnn/core/random.hpp>
#include <charrnn/data/alphabet.hpp>
#include <charrnn/nn/model.hpp>
#include <charrnn/optim/adam.hpp>
#include <charrnn/optim/optimiser.hpp>
#include <charrnn/train/sample.hpp>

#include "cases.hpp"
#include "training_step.hpp"

namespace {

using namespace charrnn;
using namespace charrnn::bench;

void add_step(Cases& cases, Setting setting) {
    for (const std::size_t threads : {1U, 2U}) {
        setting.threads = threads;
        cases.add("step/" + setting.cell + "/" + std::to_string(setting.layers) + "x" +
                      std::to_string(setting.hidden) + "/lanes:" + std::to_string(setting.lanes) +
                      "/window:" + std::to_string(setting.window) + "/threads:" + std::to_string(threads),
                  [setting](Case& c) {
                      TrainingStep step(setting);
                      c.measure({.flops = step.operations(),
                                 .items = step.characters(),
                                 .unit = "characters",
                                 .threads = setting.threads},
                                step);
                  });
    }
}

/// As the Trainer does it: in stretches, on arrays that together are a few megabytes.
void add_adam(Cases& cases, std::size_t n) {
    cases.add("adam/" + std::to_string(n), [n](Case& c) {
        Buffer<float> parameter(n), gradient(n), m(n), v(n);
        Random random(1);
        for (auto& g : gradient) g = static_cast<float>(random.uniform(-1, 1));
        float* const slots[] = {m.data(), v.data()};
        const Adam adam(0.002);
        const auto factors = adam.factors<float>(10, adam.lr);
        c.measure({.items = static_cast<double>(n), .unit = "elements"}, [&] {
            for (std::size_t at = 0; at < n; at += charrnn::detail::stretch_length) {
                const charrnn::detail::Stretch<float> stretch{
                    parameter.data() + at, gradient.data() + at, slots, at,
                    std::min(charrnn::detail::stretch_length, n - at)};
                simd::dispatch(simd::level(),
                               charrnn::detail::UpdateStretch<Adam, float>{
                                   adam, stretch, factors, 1.0F, std::numeric_limits<float>::infinity()});
            }
            keep(parameter.data());
        });
    });
    cases.add("norm/" + std::to_string(n), [n](Case& c) {
        Buffer<float> gradient(n, 0.5F);
        c.measure({.items = static_cast<double>(n), .unit = "elements"}, [&] {
            double total = 0;
            for (std::size_t at = 0; at < n; at += charrnn::detail::stretch_length) {
                double squares = 0;
                simd::dispatch(
                    simd::level(),
                    charrnn::detail::SumOfSquares<float>{
                        gradient.data() + at, std::min(charrnn::detail::stretch_length, n - at), &squares});
                total += squares;
            }
            keep(total);
        });
    });
}

/// One character in every stream a call. Many streams are many samplers: the library has none that writes several.
void add_sampling(Cases& cases, const std::string& cell, std::size_t hidden, std::size_t layers,
                  std::size_t streams) {
    cases.add("sample/" + cell + "/" + std::to_string(layers) + "x" + std::to_string(hidden) +
                  "/streams:" + std::to_string(streams),
              [=](Case& c) {
                  std::u32string symbols;
                  for (char32_t s = U'!'; symbols.size() < 101; ++s) symbols += s;
                  const Alphabet alphabet = Alphabet::from_symbols(symbols);
                  const Model<float> model = char_rnn<float>(cell, alphabet.size(), hidden, layers);
                  std::vector<Sampler<Model<float>>> samplers;
                  samplers.reserve(streams);
                  for (std::size_t i = 0; i < streams; ++i)
                      samplers.emplace_back(model, alphabet, SampleOptions{.seed = i});
                  const double operations = training_operations(cell, alphabet.size(), hidden, layers) / 3;
                  c.measure({.flops = operations * static_cast<double>(streams),
                             .items = static_cast<double>(streams),
                             .unit = "characters"},
                            [&] {
                                for (auto& sampler : samplers) keep(sampler.next_id());
                            });
              });
}

const AddCases added([](Cases& cases) {
    add_step(cases, {});
    add_step(cases, {.cell = "rnn", .hidden = 256});
    add_step(cases, {.hidden = 256});
    add_step(cases, {.hidden = 512, .lanes = 64, .window = 64});
    add_step(cases, {.hidden = 64, .layers = 1, .lanes = 16, .window = 32});
    add_adam(cases, 262373);
    add_adam(cases, 4194304);
    for (const std::size_t streams : {1U, 32U}) {
        add_sampling(cases, "lstm", 128, 2, streams);
        add_sampling(cases, "rnn", 256, 2, streams);
        add_sampling(cases, "lstm", 512, 2, streams);
    }
});

}  // namespace
