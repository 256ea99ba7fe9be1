#include <array>
#include <chrono>
#include <cstddef>
#include <cstdint>
#include <string>
#include <vector>

#include <charrnn/core/random.hpp>
#include <charrnn/nn/model.hpp>
#include <charrnn/nn/runner.hpp>

#include "cases.hpp"
#include "operations.hpp"

/// Where the time of a training step goes: its phases one after the other, as the Trainer runs them on one thread but for
/// the update, each with its mean time. Whatever a phase finds in the caches, the one before has left there.

namespace {

using namespace charrnn;
using namespace charrnn::bench;

constexpr std::size_t vocabulary = 101;

void add_phases(Cases& cases, const std::string& cell, std::size_t hidden, Extent extent) {
    cases.add(
        "phases/" + cell + "/2x" + std::to_string(hidden) + "/lanes:" + std::to_string(extent.lanes),
        [=](Case& c) {
            using Clock = std::chrono::steady_clock;
            const Model<float> model = char_rnn<float>(cell, vocabulary, hidden, 2);
            Runner<float> runner(model, Plan{.extent = extent, .ids = true, .backward = true});
            Random random(1);
            std::vector<std::uint32_t> ids(extent.rows()), targets(extent.rows());
            for (auto& id : ids) id = static_cast<std::uint32_t>(random.below(vocabulary));
            for (auto& id : targets) id = static_cast<std::uint32_t>(random.below(vocabulary));
            const Input<float> x{ids.data(), {}};
            const Context context{.training = true};
            const Lanes all{0, extent.lanes};
            const float scale = 1.0F / static_cast<float>(extent.rows());
            runner.load(model.zero_state(extent.lanes));

            constexpr std::array<const char*, 5> names{"prepare", "forward", "loss", "backward", "gradient"};
            std::array<double, names.size()> seconds{};
            double calls = 0;
            const double rows = static_cast<double>(extent.rows());
            c.measure({.flops = rows * training_operations(cell, vocabulary, hidden, 2),
                       .items = rows,
                       .unit = "characters"},
                      [&] {
                          std::array<Clock::time_point, names.size() + 1> at{Clock::now()};
                          runner.prepare();
                          at[1] = Clock::now();
                          runner.forward(x, context, extent.steps, all);
                          at[2] = Clock::now();
                          runner.loss(targets.data(), nullptr, extent.steps, all, &scale);
                          at[3] = Clock::now();
                          runner.backward(x, context, extent.steps, all);
                          at[4] = Clock::now();
                          runner.gradient(x, context, extent.steps);
                          at[5] = Clock::now();
                          for (std::size_t i = 0; i < names.size(); ++i)
                              seconds[i] += std::chrono::duration<double>(at[i + 1] - at[i]).count();
                          ++calls;
                      });
            for (std::size_t i = 0; i < names.size(); ++i)
                c.note(std::string(names[i]) + "_seconds", seconds[i] / calls);
        });
}

const AddCases added([](Cases& cases) {
    for (const std::string cell : {"lstm", "gru", "rnn"}) {
        add_phases(cases, cell, 128, {50, 50});
        add_phases(cases, cell, 512, {64, 64});
    }
});

}  // namespace
