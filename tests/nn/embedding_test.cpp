#include <charrnn/nn/embedding.hpp>

#include <doctest/doctest.h>

#include <cmath>

#include <charrnn/nn/gradient_check.hpp>
#include <charrnn/nn/model.hpp>
#include "nn/run.hpp"

namespace embedding_test {

using namespace charrnn;

static_assert(Layer<Embedding<>> && Layer<Embedding<double>>);

TEST_CASE("embedding: gives the character's row, and the gradients of equal characters are added") {
    Random random(1);
    Embedding<double> layer(7, 5, random);
    const auto& W = layer.params().W;
    const naive::Window w = test::random_window(4, 3, 7, 5, 0, true, random);
    naive::Window sized = w;
    sized.d_y = test::numbers(4 * 3 * 5, random);
    naive::Arrays want{{"y", {}}, {"W", naive::Numbers(7 * 5)}};
    for (std::size_t r = 0; r < 12; ++r) {
        const std::size_t id = test::id_of(w, r, 7);
        for (std::size_t j = 0; j < 5; ++j) {
            want["y"].push_back(W(id, j));
            want["W"][id * 5 + j] += sized.d_y[r * 5 + j];
        }
    }
    for (const std::size_t parts : {1U, 2U, 3U, 7U})
        for (const std::size_t groups : {1U, 2U, 3U})
            CHECK(test::run_layer<double>(layer, sized, {true, groups, parts}) == want);
}

TEST_CASE("embedding: the gradient in a chain, through time and across windows") {
    Random random(2);
    Model<double> m;
    m.add(Embedding<double>(6, 3, random)).add(LSTM<double>(3, 5, random)).add(Dense<double>(5, 6, random));
    const GradientReport r = check_gradients(m, {.truncate = 2, .groups = 2, .ids = true});
    INFO(r);
    CHECK(r.passed());
}

TEST_CASE("embedding: first values are normal, and the sizes are checked") {
    Random random(3);
    const Embedding layer(85, 42, random);
    double sum = 0, squares = 0;
    const double n = 85 * 42;
    for (const float x : layer.params().W) {
        sum += static_cast<double>(x);
        squares += static_cast<double>(x) * static_cast<double>(x);
    }
    CHECK(std::abs(sum / n) < 5 / std::sqrt(n));
    CHECK(std::abs(squares / n - 1) < 5 * std::sqrt(2 / n));
    CHECK(printed(layer) == "Embedding(85, 42)");
    CHECK_THROWS_WITH_AS(Embedding(0, 5),
                         "Embedding(0, 5): expected an input and an output width from 1 to 1073741824",
                         value_error);
    CHECK_THROWS_AS(Embedding(std::size_t{1} << 62U, 4), value_error);
    CHECK(layer.cast<double>().params().W(3, 4) == static_cast<double>(layer.params().W(3, 4)));
}

TEST_CASE("embedding: rows of numbers are refused, and so is a place inside a model") {
    Random random(3);
    const Chain chain(Embedding(7, 5, random), Dense(5, 7, random));
    State<float> state = chain.zero_state(1);
    CHECK_THROWS_WITH_AS(
        forward(chain, Tensor<float, 3>(xt::zeros<float>({1, 1, 7})), state),
        "Embedding(7, 5): x is rows of numbers, expected ids: an Embedding is the first layer of a model",
        shape_error);
    const Chain late(Dense(7, 7, random), Embedding(7, 5, random));
    CHECK_THROWS_AS((void)late.stages(Plan{.extent = {1, 1}}), shape_error);
}

}  // namespace embedding_test
