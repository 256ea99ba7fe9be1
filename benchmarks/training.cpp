#include <algorithm>
#include <cstddef>
#include <initializer_list>
#include <limits>
#include <string>

#include <charrnn/core/buffer.hpp>
#include <charrnn/core/random.hpp>
#include <charrnn/optim/adam.hpp>
#include <charrnn/optim/optimiser.hpp>

#include "cases.hpp"
#include "training_step.hpp"
#include "writing.hpp"

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

void add_sampling(Cases& cases, const Setting& setting, std::size_t streams) {
    cases.add(
        "sample/" + setting.cell + "/" + std::to_string(setting.layers) + "x" +
            std::to_string(setting.hidden) + "/streams:" + std::to_string(streams),
        [=](Case& c) {
            Writing writing(setting, streams);
            c.measure(
                {.flops = writing.operations(), .items = writing.characters_in_all(), .unit = "characters"},
                writing);
        });
}

/// How the cost of a step on one thread grows with one thing, the others as the Flux documents have them: an LSTM of two
/// layers of 128, 50 lanes, windows of 50.
void add_growth(Cases& cases) {
    const auto add = [&](const char* what, std::size_t Setting::*field,
                         std::initializer_list<std::size_t> values) {
        for (const std::size_t value : values)
            cases.add("growth/" + std::string(what) + ":" + std::to_string(value), [field, value](Case& c) {
                Setting setting;
                setting.*field = value;
                TrainingStep step(setting);
                c.measure({.flops = step.operations(), .items = step.characters(), .unit = "characters"},
                          step);
            });
    };
    add("hidden", &Setting::hidden, {32, 64, 128, 256, 512, 1024});
    add("lanes", &Setting::lanes, {1, 6, 12, 25, 50, 100, 200});
    add("window", &Setting::window, {10, 25, 50, 100, 200});
    add("alphabet", &Setting::vocabulary, {32, 101, 256, 1000, 4000});
    add("windows", &Setting::windows,
        {8, 800, 80000});  // of the corpus: 20 thousand, 2 and 200 million characters
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
        add_sampling(cases, {}, streams);
        add_sampling(cases, {.cell = "rnn", .hidden = 256}, streams);
        add_sampling(cases, {.hidden = 512}, streams);
    }
    add_growth(cases);
});

}  // namespace
