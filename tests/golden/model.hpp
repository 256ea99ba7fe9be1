#pragma once

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <string>
#include <vector>

#include <charrnn/core/error.hpp>
#include <charrnn/data/batch.hpp>
#include <charrnn/nn/model.hpp>

#include "golden.hpp"

/// @file
/// Models and windows from the golden files (see README.md here).

namespace charrnn::test {

/// The path of a golden file: golden_path("lstm").
inline std::string golden_path(const std::string& name) {
    return std::string(CHARRNN_GOLDEN_DIR) + "/" + name + ".txt";
}

/// Our name for a parameter of the files: "layer1.Wi" is "layers.1.cell.Wi" and "dense.W" is "layers.2.W".
inline std::string golden_parameter(const std::string& ours) {
    const std::string own = ours.substr(ours.rfind('.') + 1);
    return ours.find(".cell.") == std::string::npos ? "dense." + own
                                                    : "layer" + ours.substr(7, 1) + "." + own;
}

/// Two layers of `cell` (its name in the registry) and Dense, with the parameters `prefix` + P of the file:
/// "init." for those of the beginning, "adam.final." for those after the ten steps.
template <class T>
Model<T> golden_model(const Golden& golden, const std::string& cell, const std::string& prefix = "init.") {
    const auto width = [&](const std::string& name) { return golden.at(prefix + name).rows; };
    Random random;
    Model<T> model;
    model.add(Registry<T>::instance().make(cell, width("layer0.Wi"), width("layer0.Wh"), random))
        .add(Registry<T>::instance().make(cell, width("layer1.Wi"), width("layer1.Wh"), random))
        .add(Dense<T>(width("dense.W"), golden.at(prefix + "dense.W").cols, random))
        .add(softmax);
    for (const Parameter<T>& p : model.parameters()) {
        const Golden::Array& values = golden.at(prefix + golden_parameter(p.name));
        if (values.values.size() != p.size)
            throw data_error("golden '" + prefix + golden_parameter(p.name) + "' does not fit " + p.name);
        std::transform(values.values.begin(), values.values.end(), p.data,
                       [](double x) { return static_cast<T>(x); });
    }
    return model;
}

/// Window k = 1, 2 or 3.
inline Batch golden_window(const Golden& golden, std::size_t k) {
    const std::string prefix = "window" + std::to_string(k) + ".";
    const auto ids = [&](const char* name) {
        const auto& values = golden.at(prefix + name).values;
        return std::vector<std::uint32_t>(values.begin(), values.end());
    };
    Batch batch;
    batch.steps = golden.at(prefix + "inputs").rows;
    batch.lanes = golden.at(prefix + "inputs").cols;
    batch.inputs = ids("inputs");
    batch.targets = ids("targets");
    batch.valid = ids("valid");
    batch.count = static_cast<std::size_t>(golden.scalar(prefix + "count"));
    return batch;
}

/// The state after window k, or with k = 0 the one before window 1.
template <class T>
State<T> golden_state(const Golden& golden, const Model<T>& model, std::size_t k) {
    State<T> state = model.zero_state(golden.at("window1.inputs").cols);
    for (std::size_t layer = 0; layer < state.size(); ++layer)
        for (std::size_t part = 0; part < state[layer].size(); ++part) {
            const std::string name = "state" + std::to_string(k) + ".layer" + std::to_string(layer) + "." +
                                     (part == 0 ? "h" : "c");
            const auto& values = golden.at(name).values;
            std::transform(values.begin(), values.end(), state[layer][part].begin(),
                           [](double x) { return static_cast<T>(x); });
        }
    return state;
}

}  // namespace charrnn::test
