#include "golden.hpp"

#include <doctest/doctest.h>

#include <cmath>
#include <string>

#include <charrnn/nn/runner.hpp>
#include "levels.hpp"
#include "model.hpp"

namespace golden_test {

// PyTorch's numbers: an implementation that has nothing in common with this one, nor with the naive twins.

using namespace charrnn;
using test::Golden;

namespace {

template <class A>
double worst(const A& values, std::size_t n, const Golden::Array& want) {
    if (n != want.values.size()) return INFINITY;
    double w = 0;
    for (std::size_t i = 0; i < n; ++i) {
        const double difference = std::abs(static_cast<double>(values[i]) - want.values[i]);
        if (std::isnan(difference)) return difference;
        w = std::max(w, difference);
    }
    return w;
}

/// Windows 1, 2 and 3 from the golden state on: everything that the file knows of them.
template <class T>
void check_windows(const std::string& cell, std::size_t groups, double tolerance) {
    const Golden golden = Golden::load(test::golden_path(cell));
    Model<T> model = test::golden_model<T>(golden, cell);
    const Batch shape = test::golden_window(golden, 1);
    Runner<T> runner(model, Plan{.extent = {shape.steps, shape.lanes},
                                 .backward = true,
                                 .state_gradient = true,
                                 .groups = groups});
    runner.prepare();
    State<T> state = test::golden_state(golden, model, 0);
    const auto check_states = [&](const State<T>& s, const std::string& prefix) {
        for (std::size_t l = 0; l < s.size(); ++l)
            for (std::size_t p = 0; p < s[l].size(); ++p) {
                const std::string name = prefix + ".layer" + std::to_string(l) + (p == 0 ? ".h" : ".c");
                CAPTURE(name);
                CHECK(worst(s[l][p].data(), s[l][p].size(), golden.at(name)) < tolerance);
            }
    };

    for (std::size_t k = 1; k <= 3; ++k) {
        CAPTURE(k);
        const std::string number = std::to_string(k);
        const Batch batch = test::golden_window(golden, k);
        const Input<T> input{batch.inputs.data(), {}};
        const T scale = T(1) / static_cast<T>(batch.count);
        runner.load(state);
        for (std::size_t g = 0; g < groups; ++g) {
            const Lanes lanes = Lanes::of(batch.lanes, g, groups);
            runner.forward(input, {}, batch.steps, lanes);
            runner.loss(batch.targets.data(), batch.valid.data(), batch.steps, lanes, &scale);
            runner.backward(input, {}, batch.steps, lanes);
        }
        runner.gradient(input, {}, batch.steps);
        runner.store(state, batch.steps);

        check_states(state, "state" + number);
        CHECK(runner.total_loss(batch.steps) / static_cast<double>(batch.count) ==
              doctest::Approx(golden.scalar("window" + number + ".loss")).epsilon(tolerance));
        if (golden.has("window" + number + ".logits")) {
            const View<const T> y = runner.output(batch.steps);
            std::vector<T> logits;
            for (std::size_t r = 0; r < y.rows; ++r) logits.insert(logits.end(), y.row(r), y.row(r) + y.cols);
            CHECK(worst(logits, logits.size(), golden.at("window" + number + ".logits")) < tolerance);
        }
        if (k == 2) continue;  // the file has no gradients of it
        for (const Parameter<T>& g : runner.gradients()) {
            CAPTURE(g.name);
            const Golden::Array& want = golden.at("grad" + number + "." + test::golden_parameter(g.name));
            CHECK(worst(g.data, g.size, want) < tolerance);
        }
        check_states(runner.d_state(), "grad" + number);
    }
}

}  // namespace

TEST_CASE("golden: LSTM in double, all of PyTorch's numbers") {
    for (const Simd level : test::levels()) {
        const test::UseLevel use(level);
        for (const std::size_t groups : {1U, 2U, 3U}) check_windows<double>("lstm", groups, 1e-13);
    }
}

TEST_CASE("golden: RNN in double, all of PyTorch's numbers") {
    for (const Simd level : test::levels()) {
        const test::UseLevel use(level);
        for (const std::size_t groups : {1U, 2U, 3U}) check_windows<double>("rnn", groups, 1e-13);
    }
}

TEST_CASE("golden: GRU in double, all of PyTorch's numbers") {
    for (const Simd level : test::levels()) {
        const test::UseLevel use(level);
        for (const std::size_t groups : {1U, 2U, 3U}) check_windows<double>("gru", groups, 1e-13);
    }
}

TEST_CASE("golden: LSTM, GRU and RNN in float") {
    check_windows<float>("lstm", 1, 2e-6);
    check_windows<float>("gru", 1, 2e-6);
    check_windows<float>("rnn", 1, 2e-6);
}

TEST_CASE("golden: the row of a symbol that a window does not read has no gradient") {
    const Golden golden = Golden::load(test::golden_path("lstm"));
    const auto& d_wi = golden.at("grad3.layer0.Wi");
    for (std::size_t j = 0; j < d_wi.cols; ++j) {
        CHECK(d_wi.values[5 * d_wi.cols + j] ==
              0);  // so a test with this file proves that scatter clears rows
        CHECK(d_wi.values[6 * d_wi.cols + j] == 0);
    }
}

TEST_CASE("golden: a missing file is an error") { CHECK_THROWS_AS(Golden::load("no/such/file"), io_error); }

}  // namespace golden_test
