#include <array>
#include <cstddef>
#include <string>

#include "cases.hpp"
#include "operations.hpp"
#include "window_phases.hpp"

/// Where the time of a training step goes: its phases one after the other, each with its mean time.

namespace {

using namespace charrnn;
using namespace charrnn::bench;

void add_phases(Cases& cases, const std::string& cell, std::size_t hidden, Extent extent) {
    cases.add("phases/" + cell + "/2x" + std::to_string(hidden) + "/lanes:" + std::to_string(extent.lanes),
              [=](Case& c) {
                  constexpr auto names = WindowPhases::names;
                  const Setting setting{
                      .cell = cell, .hidden = hidden, .lanes = extent.lanes, .window = extent.steps};
                  WindowPhases window(setting);
                  std::array<double, names.size()> seconds{};
                  double calls = 0;
                  const double rows = static_cast<double>(extent.rows());
                  c.measure(
                      {.flops = rows * training_operations(cell, setting.vocabulary, hidden, setting.layers),
                       .items = rows,
                       .unit = "characters"},
                      [&] {
                          const auto took = window();
                          for (std::size_t i = 0; i < names.size(); ++i) seconds[i] += took[i];
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
