#include <charrnn/nn/dropout.hpp>

#include <doctest/doctest.h>

#include <algorithm>
#include <cmath>
#include <vector>

#include <charrnn/data/batches.hpp>
#include <charrnn/nn/gradient_check.hpp>
#include <charrnn/nn/model.hpp>
#include <charrnn/optim/adam.hpp>
#include <charrnn/train/evaluate.hpp>
#include <charrnn/train/trainer.hpp>
#include "nn/run.hpp"

namespace dropout_test {

using namespace charrnn;

static_assert(Layer<Dropout<>> && Layer<Dropout<double>>);

namespace {

constexpr std::size_t T = 6, N = 5, H = 33;

/// Dropout of ones, as layer `index` of a model.
std::vector<double> dropped(const Dropout<double>& layer, const Context& context, std::size_t index = 1,
                            std::size_t groups = 1) {
    Dropout<double>::Tape tape(
        layer, Plan{.extent = {T, N}, .ids = false, .backward = true, .groups = groups, .layer = index});
    const std::vector<double> ones(T * N * H, 1);
    const Input<double> x{nullptr, {ones.data(), T * N, H}};
    for (std::size_t g = 0; g < groups; ++g) layer.forward(tape, x, context, T, Lanes::of(N, g, groups));
    std::vector<double> y;
    for (std::size_t r = 0; r < T * N; ++r)
        y.insert(y.end(), tape.output(T).row(r), tape.output(T).row(r) + H);
    return y;
}

}  // namespace

TEST_CASE("dropout: in training a share p is zero and the rest is larger; otherwise nothing changes") {
    for (const double p : {0.1, 0.5, 0.9}) {
        const Dropout<double> layer(H, p);
        const auto y = dropped(layer, {.training = true, .seed = 3, .step = 7});
        const double n = static_cast<double>(y.size());
        const auto zeros = static_cast<double>(std::count(y.begin(), y.end(), 0.0));
        CHECK(std::abs(zeros / n - p) < 5 * std::sqrt(p * (1 - p) / n));
        for (const double v : y) CHECK((v == 0 || v == 1 / (1 - p)));
        CHECK(dropped(layer, {}) == std::vector<double>(y.size(), 1));
    }
    CHECK(dropped(Dropout<double>(H, 0), {.training = true}) == std::vector<double>(T * N * H, 1));
}

TEST_CASE("dropout: training needs a plan for it") {
    const Dropout<double> layer(H, 0.5);
    Dropout<double>::Tape tape(layer, Plan{.extent = {1, 1}, .ids = false, .layer = 1});
    const std::vector<double> ones(H, 1);
    const Input<double> x{nullptr, {ones.data(), 1, H}};
    CHECK_THROWS_WITH_AS(layer.forward(tape, x, {.training = true}, 1, Lanes::of(1, 0, 1)),
                         "Dropout: training was not planned for (Plan::backward)", value_error);
    layer.forward(tape, x, {}, 1, Lanes::of(1, 0, 1));
    CHECK(tape.output(1).row(0)[H - 1] == 1);
}

TEST_CASE("dropout: what is dropped depends on seed, step, layer, lane and step in the window alone") {
    const Dropout<double> layer(H, 0.5);
    const Context context{.training = true, .seed = 3, .step = 7};
    const auto y = dropped(layer, context);
    for (const std::size_t groups : {1U, 2U, 3U, 5U}) CHECK(dropped(layer, context, 1, groups) == y);
    CHECK(dropped(layer, {.training = true, .seed = 4, .step = 7}) != y);
    CHECK(dropped(layer, {.training = true, .seed = 3, .step = 8}) != y);
    CHECK(dropped(layer, context, 2) != y);
    const auto row = [&](std::size_t t, std::size_t n) {
        const auto first = y.begin() + static_cast<std::ptrdiff_t>((t * N + n) * H);
        return std::vector<double>(first, first + H);
    };
    CHECK(row(0, 0) != row(1, 0));
    CHECK(row(0, 0) != row(0, 1));
    const auto same = dropped(Dropout<double>(H, 0.5, DropoutMask::each_window), context);
    for (std::size_t t = 1; t < T; ++t)
        CHECK(std::equal(same.begin(), same.begin() + N * H,
                         same.begin() + static_cast<std::ptrdiff_t>(t * N * H)));
}

TEST_CASE("dropout: the gradient goes through what was kept") {
    for (const DropoutMask mask : {DropoutMask::each_step, DropoutMask::each_window}) {
        Random random(2);
        Model<double> m;
        m.add(RNN<double>(6, 5, activation::tanh, random))
            .add(Dropout<double>(5, 0.4, mask))
            .add(LSTM<double>(5, 4, random))
            .add(Dropout<double>(4, 0.2, mask))
            .add(Dense<double>(4, 6, random));
        const GradientReport r = check_gradients(m, {.groups = 3});
        INFO(r);
        CHECK(r.passed());
    }
}

TEST_CASE("dropout: a run that was resumed drops the same [threads]") {
    const Text text = Text::from_string(
        "the quick brown fox jumps over the lazy dog and the lazy dog sleeps on and on and on");
    const Alphabet alphabet(text);
    const Batches batches(text, alphabet, {.lanes = 4, .window = 5});
    const auto model = [&] {
        Random random(1);
        return char_rnn("gru", alphabet.size(), 12, 2, random, {.embedding = 5, .dropout = 0.3});
    };
    const auto values = [](Model<>& m) {
        std::vector<float> all;
        for (const auto& p : m.parameters()) all.insert(all.end(), p.data, p.data + p.size);
        return all;
    };
    Model<> whole = model(), parts = model(), other = model();
    Trainer a(whole, Adam(0.01), batches, {.threads = 1, .seed = 5});
    a.run(steps(21));
    Trainer b(parts, Adam(0.01), batches, {.threads = 2, .slices = 3, .seed = 5});
    b.run(steps(8));
    (void)evaluate(parts, batches);
    Trainer c(parts, Adam(0.01), batches, {.threads = 2, .seed = 5});
    c.restore(b.state());
    c.run(steps(13));
    CHECK(values(parts) == values(whole));
    Trainer d(other, Adam(0.01), batches, {.seed = 6});
    d.run(steps(21));
    CHECK(values(other) != values(whole));
    CHECK(evaluate(whole, batches) == evaluate(whole, batches));
}

TEST_CASE("dropout: prints as it is written, and bad settings say so") {
    CHECK(printed(Dropout(128, 0.5)) == "Dropout(128, 0.5)");
    CHECK(printed(Dropout(128, 0.5, DropoutMask::each_window)) == "Dropout(128, 0.5, each_window)");
    for (const double p : {-0.1, 1.0, std::nan("")}) CHECK_THROWS_AS(Dropout(5, p), value_error);
    CHECK_THROWS_AS(Dropout(0, 0.5), value_error);
    const Chain first(Dropout(5, 0.5), Dense(5, 5));
    CHECK_THROWS_AS((void)first.stages(Plan{.extent = {1, 1}}), shape_error);
    Random random(1);
    CHECK(printed(char_rnn("lstm", 9, 4, 2, random, {.embedding = 3, .dropout = 0.5})) ==
          "Chain(Embedding(9, 3), Recur(LSTMCell(3, 4)), Dropout(4, 0.5), Recur(LSTMCell(4, 4)), "
          "Dropout(4, 0.5), Dense(4, 9), softmax)");
}

}  // namespace dropout_test
