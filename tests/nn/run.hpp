#pragma once

#include <algorithm>
#include <cmath>
#include <cstddef>
#include <cstdint>
#include <string>
#include <vector>

#include <charrnn/core/random.hpp>
#include <charrnn/core/view.hpp>
#include <charrnn/nn/model.hpp>
#include <charrnn/nn/runner.hpp>

#include "instances.hpp"
#include "naive.hpp"

/// @file
/// Runs one layer over a window, for comparison with its naive twin.

namespace charrnn::test {

/// How the library is to run it.
struct How {
    bool ids = false;
    std::size_t groups = 1;
    std::size_t parts = 1;
    std::size_t room = 0;  ///< so many steps more than needed are planned for
};

/// Numbers in (-1, 1) that are the same in float and in double.
inline naive::Numbers numbers(std::size_t n, Random& random) {
    naive::Numbers x(n);
    for (auto& v : x) v = static_cast<float>(random.uniform(-1, 1));
    return x;
}

/// A window of random numbers, or of one-hot rows, for a layer (D -> H) with the given parts of state.
inline naive::Window random_window(std::size_t steps, std::size_t lanes, std::size_t D, std::size_t H,
                                   std::size_t parts, bool ids, Random& random) {
    naive::Window w{steps, lanes, numbers(steps * lanes * D, random), numbers(steps * lanes * H, random)};
    if (ids) {
        w.x.assign(w.x.size(), 0);
        for (std::size_t r = 0; r < steps * lanes; ++r) w.x[r * D + random.below(D)] = 1;
    }
    for (std::size_t p = 0; p < parts; ++p) w.state.push_back(numbers(lanes * H, random));
    return w;
}

/// A layer's parameters as doubles, under their own names.
template <class L>
naive::Arrays parameters_of(L& layer) {
    naive::Arrays a;
    layer.params().visit(
        [&](const char* name, auto& array) { a[name] = naive::Numbers(array.begin(), array.end()); });
    return a;
}

inline std::size_t id_of(const naive::Window& w, std::size_t row, std::size_t D) {
    const auto first = w.x.begin() + static_cast<std::ptrdiff_t>(row * D);
    return static_cast<std::size_t>(std::find(first, first + static_cast<std::ptrdiff_t>(D), 1.0) - first);
}

/// Everything that a Runner gives for the window: the arrays that naive.hpp gives, under the same names.
template <class T>
naive::Arrays run_layer(const AnyLayer<T>& layer, const naive::Window& w, const How& how = {}) {
    Model<T> model;
    model.add(layer);
    const std::size_t D = model.in_size(), H = model.out_size(), rows = w.steps * w.lanes;
    Runner<T> runner(model, Plan{.extent = {w.steps + how.room, w.lanes},
                                 .ids = how.ids,
                                 .backward = true,
                                 .input_gradient = !how.ids,
                                 .state_gradient = true,
                                 .groups = how.groups});
    if (!w.begins.empty()) runner.allow_begins();
    std::vector<T> x(w.x.begin(), w.x.end());
    std::vector<std::uint32_t> ids(rows);
    for (std::size_t r = 0; how.ids && r < rows; ++r) ids[r] = static_cast<std::uint32_t>(id_of(w, r, D));
    const Input<T> input = how.ids ? Input<T>{ids.data(), {}} : Input<T>{nullptr, {x.data(), rows, D}};
    State<T> state = model.zero_state(w.lanes);
    for (std::size_t p = 0; p < w.state.size(); ++p)
        std::copy(w.state[p].begin(), w.state[p].end(), state[0][p].begin());
    Context context{.training = true, .truncate = w.truncate};
    if (!w.begins.empty()) context.begins = w.begins.data();

    for (std::size_t p = 0; p < how.parts; ++p) runner.prepare({p, how.parts});
    runner.load(state);
    for (std::size_t g = 0; g < how.groups; ++g) {
        const Lanes lanes = Lanes::of(w.lanes, g, how.groups);
        runner.forward(input, context, w.steps, lanes);
        const View<T> d_y = runner.d_output(w.steps);
        for (std::size_t t = 0; t < w.steps; ++t)
            for (std::size_t n = lanes.first; n < lanes.first + lanes.count; ++n)
                for (std::size_t j = 0; j < H; ++j)
                    d_y(t * w.lanes + n, j) = static_cast<T>(w.d_y[(t * w.lanes + n) * H + j]);
        runner.backward(input, context, w.steps, lanes);
    }
    for (std::size_t p = 0; p < how.parts; ++p) runner.gradient(input, context, w.steps, {p, how.parts});
    for (std::size_t p = 0; p < how.parts; ++p) runner.collect({p, how.parts});
    runner.store(state, w.steps);

    naive::Arrays a;
    const auto rows_of = [](View<const T> v) {
        naive::Numbers list;
        for (std::size_t r = 0; r < v.rows; ++r) list.insert(list.end(), v.row(r), v.row(r) + v.cols);
        return list;
    };
    a["y"] = rows_of(runner.output(w.steps));
    if (!how.ids) a["x"] = rows_of(runner.d_input(w.steps));
    for (const auto& p : runner.gradients())
        a[p.name.substr(p.name.rfind('.') + 1)] = naive::Numbers(p.data, p.data + p.size);
    const State<T> d_state = runner.d_state();
    for (std::size_t p = 0; p < state[0].size(); ++p) {
        a["after." + std::to_string(p)] = naive::Numbers(state[0][p].begin(), state[0][p].end());
        a["before." + std::to_string(p)] = naive::Numbers(d_state[0][p].begin(), d_state[0][p].end());
    }
    return a;
}

/// The worst array: |got - want| / max(|want|, 1) in the Euclidean norm (a sum that cancels has no relative
/// precision). Infinite for an array of another size.
inline double worst(const naive::Arrays& got, const naive::Arrays& want) {
    double w = 0;
    for (const auto& [name, values] : got) {
        const auto twin = want.find(name);
        if (twin == want.end() || twin->second.size() != values.size()) return INFINITY;
        double difference = 0, norm = 0;
        for (std::size_t i = 0; i < values.size(); ++i) {
            difference += (values[i] - twin->second[i]) * (values[i] - twin->second[i]);
            norm += twin->second[i] * twin->second[i];
        }
        const double error = difference == 0 ? 0 : std::sqrt(difference / std::max(norm, 1.0));
        if (std::isnan(error)) return error;
        w = std::max(w, error);
    }
    return w;
}

}  // namespace charrnn::test
