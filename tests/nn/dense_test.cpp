#include <charrnn/nn/dense.hpp>

#include <doctest/doctest.h>

#include <cmath>
#include <limits>
#include <utility>

#include "levels.hpp"
#include "nn/run.hpp"

namespace dense_test {

using namespace charrnn;
using test::How;

static_assert(Layer<Dense<float>> && Layer<Dense<double>>);

namespace {

constexpr Activation swish = activation::custom(
    "swish", [](double x) { return x / (1 + std::exp(-x)); },
    [](double x, double y) { return y + (1 - y) / (1 + std::exp(-x)); });

template <class T>
struct Case {
    Dense<T> layer;
    naive::Window window;
    naive::Arrays want;

    Case(std::size_t D, std::size_t K, const Activation& f, std::size_t steps, std::size_t lanes, bool ids)
        : layer(make(D, K, f)) {
        Random random(2);
        window = test::random_window(steps, lanes, D, K, 0, ids, random);
        naive::Arrays p = test::parameters_of(layer);
        want = naive::dense(D, K, p["W"], p["b"], f, window);
    }
    static Dense<T> make(std::size_t D, std::size_t K, const Activation& f) {
        Random random(1);
        Dense<T> d(D, K, f, random);
        init::uniform(d.params().b, 0.5, random);  // a bias of zero would prove little
        return d;
    }
    [[nodiscard]] naive::Arrays run(const How& how) const {
        return test::run_layer<T>(AnyLayer<T>(layer), window, how);
    }
};

}  // namespace

TEST_CASE_TEMPLATE("dense: agrees with plain loops", T, float, double) {
    const double tolerance = sizeof(T) == 4 ? 1e-4 : 1e-12;
    for (const std::size_t D : {1U, 5U, 17U, 64U})
        for (const std::size_t K : {1U, 7U, 16U, 33U, 101U})
            for (const std::size_t lanes : {1U, 3U, 25U})
                for (const bool ids : {false, true}) {
                    CAPTURE(D);
                    CAPTURE(K);
                    CAPTURE(lanes);
                    CAPTURE(ids);
                    const Case<T> linear(D, K, activation::identity, 3, lanes, ids);
                    const Case<T> bent(D, K, activation::tanh, 3, lanes, ids);
                    for (const Simd level : test::levels()) {
                        const test::UseLevel use(level);
                        CAPTURE(name(level));
                        CHECK(test::worst(linear.run({.ids = ids}), linear.want) < tolerance);
                        CHECK(test::worst(bent.run({.ids = ids}), bent.want) < tolerance);
                    }
                }
}

TEST_CASE("dense: with each activation") {
    for (const Activation& f : {activation::sigmoid, activation::relu, swish}) {
        CAPTURE(f.name);
        const Case<double> c(6, 5, f, 4, 3, false);
        CHECK(test::worst(c.run({}), c.want) < 1e-12);
    }
}

TEST_CASE("dense: relu of minus infinity is 0, and of NaN is NaN") {
    using V = simd::Baseline::pack<float>;
    const float inf = std::numeric_limits<float>::infinity();
    for (const auto& [x, want] :
         {std::pair{-inf, 0.0F}, {-1.0F, 0.0F}, {0.0F, 0.0F}, {2.0F, 2.0F}, {inf, inf}})
        CHECK(activation::relu.apply(V::all(x)).v[0] == want);
    V nan{};
    nan.v[1] = std::numeric_limits<float>::quiet_NaN();
    CHECK(std::isnan(activation::relu.apply(nan).v[1]));
}

TEST_CASE_TEMPLATE("dense: the same bits whatever the groups of lanes, the parts and the room", T, float,
                   double) {
    for (const bool ids : {false, true}) {
        const Case<T> c(17, 70, activation::tanh, 5, 11, ids);
        const naive::Arrays one = c.run({.ids = ids});
        for (const std::size_t groups : {1U, 2U, 3U, 4U})
            for (const std::size_t parts : {1U, 2U, 3U}) CHECK(c.run({ids, groups, parts, parts}) == one);
    }
}

TEST_CASE("dense: prints as it is written, starts at Glorot and zero, and refuses a width of 0") {
    Random random(1);
    const Dense<float> d(30, 20, random);
    CHECK(printed(d) == "Dense(30, 20)");
    CHECK(printed(Dense(3, 2, activation::relu)) == "Dense(3, 2, relu)");
    CHECK(printed(Dense(3, 2, swish)) == "Dense(3, 2, swish)");
    const float limit = std::sqrt(6.0F / 50);
    float most = 0;
    for (const float w : d.params().W) most = std::max(most, std::abs(w));
    CHECK(most <= limit);
    CHECK(most > 0.9F * limit);
    for (const float b : d.params().b) CHECK(b == 0);
    CHECK(d.cast<double>().params().W(29, 19) == static_cast<double>(d.params().W(29, 19)));
    CHECK_THROWS_WITH_AS(
        Dense(0, 3), "Dense(0, 3): expected an input and an output width from 1 to 1073741824", value_error);
    CHECK_THROWS_AS(Dense(3, 0), value_error);
    CHECK_THROWS_AS(Dense(3, static_cast<std::size_t>(-1)), value_error);
}

}  // namespace dense_test
