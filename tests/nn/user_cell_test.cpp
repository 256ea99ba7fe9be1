#include <doctest/doctest.h>

#include <array>
#include <cmath>
#include <ostream>

#include <charrnn/core/threads.hpp>
#include <charrnn/nn/gradient_check.hpp>
#include <charrnn/nn/model.hpp>
#include "levels.hpp"
#include "nn/run.hpp"

namespace user_cell_test {

// Cells that the library does not know, of both kinds.

using namespace charrnn;
using test::How;

namespace {

/// Minimal gated unit with the gate after the product: a gate that only x feeds, one that only h feeds.
///
///     f = sigmoid(x Wi_f + h Wh_f + b_f),  n = tanh(x Wi_n + b_n + f * (h Wh_n + b_m)),  h' = h + f (n - h)
struct MinimalGatedUnit {
    std::size_t in = 0, out = 0;

    static constexpr std::size_t gates = 3, parts = 1;  // f, the input's n, the state's n
    static constexpr std::array<std::size_t, 2> input_blocks{0, 1}, hidden_blocks{0, 2};
    template <class T>
    using Params = GatedParams<T>;
    template <class T>
    Params<T> init(Random& random) const {
        return glorot_gated<T>(*this, random);
    }

    template <class V>
    CHARRNN_INLINE void gate(V (&g)[3], V (&s)[1]) const {
        g[0] = simd::sigmoid(g[0]);
        g[1] = simd::tanh(fma(g[0], g[2], g[1]));
        s[0] = fma(g[0], g[1] - s[0], s[0]);
    }
    template <class V>
    CHARRNN_INLINE void gate_back(V (&g)[3], const V (&before)[1], const V (&)[1], V (&d)[1]) const {
        using T = typename V::scalar;
        const V f = g[0], n = g[1];
        g[1] = d[0] * f * (T(1) - n * n);
        g[0] = (d[0] * (n - before[0]) + g[1] * g[2]) * (f * (T(1) - f));
        g[2] = g[1] * f;
        d[0] = d[0] * (T(1) - f);
    }
    friend std::ostream& operator<<(std::ostream& stream, const MinimalGatedUnit& c) {
        return stream << "MinimalGatedUnit(" << c.in << ", " << c.out << ")";
    }
};

/// A state that is only forgotten and added to: no gate sees it (Bradbury et al. 2016).
///
///     f = sigmoid(x Wi_f + b_f),  z = tanh(x Wi_z + b_z),  h' = f h + (1 - f) z
struct Pooling {
    std::size_t in = 0, out = 0;

    static constexpr std::size_t gates = 2, parts = 1;  // f, z
    static constexpr std::array<std::size_t, 2> input_blocks{0, 1};
    static constexpr std::array<std::size_t, 0> hidden_blocks{};
    template <class T>
    using Params = GatedParams<T>;
    template <class T>
    Params<T> init(Random& random) const {
        return glorot_gated<T>(*this, random);
    }

    template <class V>
    CHARRNN_INLINE void gate(V (&g)[2], V (&s)[1]) const {
        g[0] = simd::sigmoid(g[0]);
        g[1] = simd::tanh(g[1]);
        s[0] = fma(g[0], s[0] - g[1], g[1]);
    }
    template <class V>
    CHARRNN_INLINE void gate_back(V (&g)[2], const V (&before)[1], const V (&)[1], V (&d)[1]) const {
        using T = typename V::scalar;
        const V f = g[0], z = g[1];
        g[0] = d[0] * (before[0] - z) * (f * (T(1) - f));
        g[1] = d[0] * (T(1) - f) * (T(1) - z * z);
        d[0] = d[0] * f;
    }
    friend std::ostream& operator<<(std::ostream& stream, const Pooling& c) {
        return stream << "Pooling(" << c.in << ", " << c.out << ")";
    }
};

/// The plain cell as a cell with a step of its own, so that RNN's naive twin is its twin too.
struct PlainStep {
    std::size_t in = 0, out = 0;

    static constexpr std::size_t parts = 1;
    template <class T>
    using Params = GatedParams<T>;
    template <class T>
    Params<T> init(Random& random) const {
        return RNNCell{in, out}.init<T>(random);
    }
    [[nodiscard]] std::size_t tape_size() const { return out; }

    template <class T>
    void step(const Params<T>& p, View<const T> x, StateView<const T, 1> before, StateView<T, 1> after,
              View<T>) const {
        for (std::size_t n = 0; n < x.rows; ++n)
            for (std::size_t k = 0; k < out; ++k) {
                T sum = p.b(k);
                for (std::size_t i = 0; i < in; ++i) sum += x(n, i) * p.Wi(i, k);
                for (std::size_t j = 0; j < out; ++j) sum += before[0](n, j) * p.Wh(j, k);
                after[0](n, k) = std::tanh(sum);
            }
    }
    template <class T>
    void step_back(const Params<T>& p, View<const T> x, StateView<const T, 1> before,
                   StateView<const T, 1> after, View<T> d, StateView<const T, 1> d_after, View<T> d_x,
                   StateView<T, 1> d_before, Params<T>& d_p) const {
        for (std::size_t n = 0; n < x.rows; ++n) {
            for (std::size_t k = 0; k < out; ++k)
                d_p.b(k) += d(n, k) = d_after[0](n, k) * (1 - after[0](n, k) * after[0](n, k));
            for (std::size_t i = 0; i < in; ++i) {
                d_x(n, i) = 0;
                for (std::size_t k = 0; k < out; ++k)
                    d_x(n, i) += p.Wi(i, k) * d(n, k), d_p.Wi(i, k) += x(n, i) * d(n, k);
            }
            for (std::size_t j = 0; j < out; ++j) {
                d_before[0](n, j) = 0;
                for (std::size_t k = 0; k < out; ++k)
                    d_before[0](n, j) += p.Wh(j, k) * d(n, k), d_p.Wh(j, k) += before[0](n, j) * d(n, k);
            }
        }
    }
    friend std::ostream& operator<<(std::ostream& stream, const PlainStep& c) {
        return stream << "PlainStep(" << c.in << ", " << c.out << ")";
    }
};

static_assert(GatedCell<MinimalGatedUnit> && !StepCell<MinimalGatedUnit>);
static_assert(StepCell<PlainStep> && !GatedCell<PlainStep>);
static_assert(Layer<Recur<MinimalGatedUnit>> && Layer<Recur<PlainStep, double>>);

template <class C>
Model<double> model_of(std::size_t D, std::size_t H) {
    Random random(1);
    Model<double> m;
    m.add(Recur<C, double>(C{D, H}, random)).add(Recur<C, double>(C{H, H + 1}, random));
    m.add(Dense<double>(H + 1, D, random));
    return m;
}

}  // namespace

TEST_CASE("user's cell: gated, with gates that x or h alone feed, has the right gradient") {
    for (const Simd level : test::levels()) {
        const test::UseLevel use(level);
        for (const bool ids : {false, true}) {
            const GradientReport r = check_gradients(model_of<MinimalGatedUnit>(5, 9),
                                                     {.steps = 4, .truncate = 3, .groups = 2, .ids = ids});
            INFO(r);
            CHECK(r.passed());
        }
    }
}

TEST_CASE(
    "user's cell: gated, without a product of the state, gives what its formula says and the right "
    "gradient") {
    for (const Simd level : test::levels()) {
        const test::UseLevel use(level);
        for (const bool ids : {false, true}) {
            const GradientReport r = check_gradients(model_of<Pooling>(5, 9),
                                                     {.steps = 4, .truncate = 3, .groups = 2, .ids = ids});
            INFO(r);
            CHECK(r.passed());
        }
        Random random(1);
        Recur<Pooling, double> layer(Pooling{1, 1}, random);
        auto& p = layer.params();
        CHECK(p.Wh.size() == 0);
        const naive::Window w{1, 1, {0.3}, {1}, 0, {}, {{-0.7}}};
        const double f = naive::sigmoid(0.3 * p.Wi(0, 0) + p.b(0)), z = std::tanh(0.3 * p.Wi(0, 1) + p.b(1));
        CHECK(test::run_layer<double>(layer, w).at("y")[0] ==
              doctest::Approx(f * -0.7 + (1 - f) * z).epsilon(1e-14));
    }
}

TEST_CASE("user's cell: gated, gives what its formula says") {
    Random random(1);
    Recur<MinimalGatedUnit, double> layer(MinimalGatedUnit{1, 1}, random);
    auto& p = layer.params();
    CHECK(p.Wi.shape(1) == 2);
    CHECK(p.Wh.shape(1) == 2);
    CHECK(p.b.size() == 3);
    const naive::Window w{1, 1, {0.3}, {1}, 0, {}, {{-0.7}}};
    const double h = -0.7;
    const double f = naive::sigmoid(0.3 * p.Wi(0, 0) + h * p.Wh(0, 0) + p.b(0));
    const double n = std::tanh(0.3 * p.Wi(0, 1) + p.b(1) + f * (h * p.Wh(0, 1) + p.b(2)));
    CHECK(test::run_layer<double>(layer, w).at("y")[0] == doctest::Approx(h + f * (n - h)).epsilon(1e-14));
}

TEST_CASE("user's cell: gated, the same bits whatever the groups of lanes and the parts") {
    Random random(1);
    const Recur<MinimalGatedUnit, double> layer(MinimalGatedUnit{17, 33}, random);
    const naive::Window w = test::random_window(5, 11, 17, 33, 1, false, random);
    const naive::Arrays one = test::run_layer<double>(layer, w);
    for (const std::size_t groups : {2U, 3U, 4U})
        for (const std::size_t parts : {1U, 2U, 3U})
            CHECK(test::run_layer<double>(layer, w, {false, groups, parts}) == one);
}

TEST_CASE_TEMPLATE("user's cell: gated, in floats gives what it gives in double", C, MinimalGatedUnit,
                   Pooling) {
    Random random(1);
    const Recur<C, float> layer(C{17, 33}, random);
    for (const std::size_t lanes : {3U, 18U})
        for (const bool ids : {false, true}) {
            const naive::Window w = test::random_window(5, lanes, 17, 33, 1, ids, random);
            const naive::Arrays want =
                test::run_layer<double>(layer.template cast<double>(), w, {.ids = ids});
            for (const Simd level : test::levels()) {
                const test::UseLevel use(level);
                CAPTURE(name(level));
                CHECK(test::worst(test::run_layer<float>(layer, w, {.ids = ids, .groups = 2}), want) < 1e-4);
            }
        }
}

TEST_CASE("user's cell: a step of its own agrees with plain loops, documents that begin inside included") {
    Random random(1);
    Recur<PlainStep, double> layer(PlainStep{6, 9}, random);
    naive::Arrays p = test::parameters_of(layer);
    const naive::Recurrent twin{false, 6, 9, p["Wi"], p["Wh"], p["b"]};
    for (const bool ids : {false, true})
        for (const std::size_t truncate : {0U, 3U})
            for (const bool begins : {false, true}) {
                naive::Window w = test::random_window(7, 3, 6, 9, 1, ids, random);
                w.truncate = truncate;
                if (begins) {
                    w.begins.assign(7 * 3, 0);
                    w.begins[0 * 3 + 1] = w.begins[4 * 3 + 1] = w.begins[4 * 3 + 2] = w.begins[6 * 3 + 0] = 1;
                }
                for (const std::size_t groups : {1U, 2U, 3U, 4U})
                    CHECK(test::worst(test::run_layer<double>(layer, w, {ids, groups, 2}), twin.run(w)) <
                          1e-12);
            }
}

TEST_CASE("user's cell: a step of its own has the right gradient in chains") {
    const GradientReport r = check_gradients(model_of<PlainStep>(5, 4), {.truncate = 2, .groups = 3});
    INFO(r);
    CHECK(r.passed());
}

TEST_CASE("user's cell: a step of its own may be the last layer, whatever its width") {
    for (const std::size_t width : {1U, 15U, 16U, 17U}) {
        Random random(1);
        Model<double> model;
        model.add(Recur<PlainStep, double>(PlainStep{width, width}, random));
        const GradientReport r = check_gradients(model, {.steps = 3, .lanes = 2});
        INFO(r);
        CHECK(r.passed());
    }
}

TEST_CASE("user's cell: parts of its work run on several threads [threads]") {
    Random random(1);
    Model<double> model;
    model.add(Recur<PlainStep, double>(PlainStep{5, 4}, random)).add(LSTM<double>(4, 6, random));
    constexpr std::size_t steps = 3, lanes = 7, size = 3;
    const auto run = [&](std::size_t threads) {
        Runner<double> runner(model, Plan{.extent = {steps, lanes}, .backward = true, .groups = size});
        Team team(threads);
        const std::vector<std::uint32_t> ids(steps * lanes, 2);
        const Input<double> input{ids.data(), {}};
        const double scale = 1;
        team.run([&](std::size_t i) { runner.prepare({i, threads}); });
        runner.load(model.zero_state(lanes));
        team.run([&](std::size_t i) {
            for (std::size_t g = i; g < size; g += threads) {
                const Lanes group = Lanes::of(lanes, g, size);
                runner.forward(input, {}, steps, group);
                runner.loss(ids.data(), nullptr, steps, group, &scale);
                runner.backward(input, {}, steps, group);
            }
        });
        team.run(
            [&](std::size_t i) {
                runner.gradient(input, {}, steps, {i, threads});
            },
            [&](std::size_t i) {
                runner.collect({i, threads});
            });
        std::vector<double> gradient;
        for (const auto& g : runner.gradients()) gradient.insert(gradient.end(), g.data, g.data + g.size);
        return gradient;
    };
    const std::vector<double> one = run(1);
    CHECK(run(2) == one);
    CHECK(run(3) == one);
}

TEST_CASE("user's cell: joins the registry under a name, and a Model") {
    Registry<double> registry;
    registry.add("dense", [](std::size_t in, std::size_t out, Random& random) {
        return Dense<double>(in, out, random);
    });
    registry.add("mgu", [](std::size_t in, std::size_t out, Random& random) {
        return Recur<MinimalGatedUnit, double>(MinimalGatedUnit{in, out}, random);
    });
    CHECK(registry.names() == std::vector<std::string>{"dense", "mgu"});
    Random random(1);
    Model<double> m;
    m.add(registry.make("mgu", 7, 5, random)).add(registry.make("dense", 5, 7, random)).add(softmax);
    CHECK(printed(m) == "Chain(Recur(MinimalGatedUnit(7, 5)), Dense(5, 7), softmax)");
    CHECK_THROWS_WITH_AS(static_cast<void>(registry.make("gruu", 1, 1)),
                         doctest::Contains("no layer is called 'gruu': expected one of dense, mgu; "),
                         value_error);
    registry.add("dense",
                 [](const LayerSpec& s, Random& generator) { return Dense<double>(s.out, s.in, generator); });
    CHECK(printed(registry.make("dense", 5, 7, random)) ==
          "Dense(7, 5)");  // the newer one, whichever way it is asked for
}

TEST_CASE("user's cell: without a short_name it cannot be saved, and says so") {
    CHECK_THROWS_WITH_AS(static_cast<void>(model_of<MinimalGatedUnit>(5, 9).layer(0).spec()),
                         doctest::Contains("MinimalGatedUnit(5, 9): cannot be saved"), value_error);
}

}  // namespace user_cell_test
