#include "charrnn/nn/gradient_check.hpp"

#include <doctest/doctest.h>

#include <cmath>
#include <limits>
#include <sstream>
#include <string>
#include <vector>

#include "charrnn/nn/model.hpp"
#include "nn/instances.hpp"

namespace gradient_check_test {

// A Model throughout: it shares every kernel with Chain, and is one type whatever its layers.

using namespace charrnn;

namespace {

Model<double> deep(const std::string& cell) {
    Random random(1);
    const auto& make = Registry<double>::instance();
    Model<double> m;
    m.add(make.make(cell, 7, 5, random)).add(make.make(cell, 5, 6, random)).add(Dense<double>(6, 7, random));
    return m;
}

std::vector<std::string> wrong(const GradientReport& report) {
    std::vector<std::string> names;
    for (const auto& e : report.entries)
        if (!e.passed) names.push_back(e.name);
    return names;
}

/// h' = tanh(x Wi + h Wh + b), with gradients that can be made wrong.
struct Faulty {
    std::size_t in = 0, out = 0;
    enum class Fault { none, b, Wh, before, x, nan } fault = Fault::none;

    static constexpr std::size_t parts = 1;
    template <class T>
    using Params = GatedParams<T>;

    template <class T>
    Params<T> init(Random& random) const {
        Params<T> p;
        p.Wi.resize({in, out}), p.Wh.resize({out, out}), p.b.resize({out});
        p.visit([&](const char*, auto& array) { init::uniform(array, 0.7, random); });
        return p;
    }
    [[nodiscard]] std::size_t tape_size() const { return 0; }

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
                   StateView<const T, 1> after, View<T>, StateView<const T, 1> d_after, View<T> d_x,
                   StateView<T, 1> d_before, Params<T>& d_p) const {
        for (std::size_t n = 0; n < x.rows; ++n) {
            for (std::size_t i = 0; i < in; ++i) d_x(n, i) = 0;
            for (std::size_t j = 0; j < out; ++j) d_before[0](n, j) = 0;
            for (std::size_t k = 0; k < out; ++k) {
                const T d = d_after[0](n, k) * (1 - after[0](n, k) * after[0](n, k));
                d_p.b(k) += fault == Fault::b ? T(0.999) * d : d;
                if (fault == Fault::nan && k == 0) d_p.b(k) = std::numeric_limits<T>::quiet_NaN();
                for (std::size_t i = 0; i < in; ++i) {
                    d_p.Wi(i, k) += x(n, i) * d;
                    d_x(n, i) += (fault == Fault::x ? T(1.01) : T(1)) * p.Wi(i, k) * d;
                }
                for (std::size_t j = 0; j < out; ++j) {
                    d_p.Wh(j, k) += (fault == Fault::Wh ? after : before)[0](n, j) * d;
                    d_before[0](n, j) += (fault == Fault::before ? p.Wh(k, j) : p.Wh(j, k)) * d;
                }
            }
        }
    }
    friend std::ostream& operator<<(std::ostream& out_, const Faulty& c) {
        return out_ << "Faulty(" << c.in << ", " << c.out << ")";
    }
};

static_assert(StepCell<Faulty> && Cell<Faulty> && !GatedCell<Faulty>);

Model<double> faulty(Faulty::Fault fault) {
    Random random(1);
    Model<double> m;
    m.add(Recur<Faulty, double>(Faulty{5, 4, fault}, random)).add(Dense<double>(4, 7, random));
    return m;
}

}  // namespace

TEST_CASE("gradient check: LSTM and RNN chains, through time and across windows") {
    for (const std::string cell : {"lstm", "rnn"})
        for (const std::size_t steps : {1U, 3U, 7U})
            for (const std::size_t truncate : {0U, 2U, 3U})
                for (const bool ids : {false, true}) {
                    const GradientReport r = check_gradients(
                        deep(cell),
                        {.steps = steps, .truncate = truncate, .groups = 1 + steps % 3, .ids = ids});
                    CAPTURE(cell);
                    CAPTURE(steps);
                    CAPTURE(truncate);
                    CAPTURE(ids);
                    INFO(r);
                    CHECK(r.passed());
                    CHECK(r.worst() < 1e-7);
                    const std::size_t states = cell == "lstm" ? 4 : 2;
                    CHECK(r.entries.size() == 2 * (8 + (ids ? 0 : 1) + states));
                }
}

TEST_CASE("gradient check: truncation changes the gradient, and the reference with it") {
    // The loss in the reference holds the state between segments fixed: without that the check would fail.
    CHECK(check_gradients(deep("rnn"), {.steps = 6, .windows = 1, .truncate = 1}).passed());
    CHECK(check_gradients(deep("rnn"), {.steps = 6, .windows = 1, .truncate = 4, .groups = 2}).passed());
}

TEST_CASE("gradient check: every activation, in RNN and Dense, and deep chains") {
    constexpr Activation softplus = activation::custom(
        "softplus", [](double x) { return std::log1p(std::exp(x)); },
        [](double x, double) { return 1 / (1 + std::exp(-x)); });
    for (const Activation& f :
         {activation::identity, activation::tanh, activation::sigmoid, activation::relu, softplus}) {
        Random random(3);
        Model<double> m;
        m.add(Dense<double>(5, 6, f, random))
            .add(RNN<double>(6, 5, f, random))
            .add(LSTM<double>(5, 4, random))
            .add(Dense<double>(4, 5, f, random))
            .add(RNN<double>(5, 4, activation::tanh, random))
            .add(Dense<double>(4, 6, random));
        const GradientReport r = check_gradients(m, {.steps = 3, .lanes = 2});
        CAPTURE(f.name);
        INFO(r);
        CHECK(r.passed());
    }
}

TEST_CASE("gradient check: a chain in float is checked in double and not changed") {
    Random random(1);
    Chain chain(LSTM(5, 4, random), Dense(4, 5, random), softmax);
    const auto before = chain.layer<0>().params().Wi;
    const GradientReport r = check_gradients(chain);
    CHECK(r.passed());
    CHECK((chain.layer<0>().params().Wi == before));  // not to be printed: see docs/toolchains.md
    CHECK(r.entries[0].name == "layers.0.cell.Wi (window 1)");
    CHECK(r.entries[6].name == "state 0.0 (window 1)");
}

TEST_CASE("gradient check: a right cell passes, and a wrong gradient is named") {
    using Fault = Faulty::Fault;
    using Names = std::vector<std::string>;
    const auto check = [](Fault fault, std::size_t steps) {
        return check_gradients(faulty(fault), {.steps = steps, .windows = 1});
    };
    CHECK(wrong(check(Fault::none, 5)).empty());
    CHECK(wrong(check(Fault::b, 5)) == Names{"layers.0.cell.b"});
    CHECK(wrong(check(Fault::Wh, 5)) == Names{"layers.0.cell.Wh"});
    CHECK(wrong(check(Fault::x, 5)) == Names{"input"});
    // The gradient of the state goes into everything before it, once there is more than one step.
    CHECK(wrong(check(Fault::before, 1)) == Names{"state 0.0"});
    CHECK(wrong(check(Fault::before, 5)) ==
          Names{"layers.0.cell.Wi", "layers.0.cell.Wh", "layers.0.cell.b", "input", "state 0.0"});
}

TEST_CASE("gradient check: a NaN does not pass") {
    const GradientReport r = check_gradients(faulty(Faulty::Fault::nan), {.windows = 1});
    CHECK(wrong(r) == std::vector<std::string>{"layers.0.cell.b"});
    CHECK(std::isnan(r.worst()));
}

TEST_CASE("gradient check: what would check nothing, or the wrong thing, is an error") {
    Random random(1);
    const auto with = [&](auto middle) {
        Model<double> m;
        m.add(LSTM<double>(3, 4, random)).add(middle).add(Dense<double>(4, 3, random));
        return m;
    };
    const auto model = with(Dense<double>(4, 4, random));
    for (const GradientCheckOptions& none : {GradientCheckOptions{.steps = 0},
                                             {.windows = 0},
                                             {.lanes = 0},
                                             {.groups = 0},
                                             {.step = 0},
                                             {.step = std::nan("")}})
        CHECK_THROWS_AS((void)check_gradients(model, none), value_error);
    CHECK(!GradientReport{}.passed());

    const auto dropping = with(Dropout<double>(4, 0.4));
    CHECK(check_gradients(dropping, {.steps = 4}).passed());
    CHECK_THROWS_WITH_AS((void)check_gradients(dropping, {.steps = 4, .truncate = 2}),
                         doctest::Contains("depends on the step's number"), value_error);
    const auto held = with(Dropout<double>(4, 0.4, DropoutMask::each_window));
    CHECK(check_gradients(held, {.steps = 4, .truncate = 2}).passed());
}

TEST_CASE("gradient check: the report says what is wrong") {
    std::ostringstream out;
    out << GradientReport{{{"layers.0.W", 1e-9, true}, {"layers.0.b", 0.5, false}}};
    CHECK(out.str() == "  ok     layers.0.W  1e-09\n  WRONG  layers.0.b  0.5\n");
}

}  // namespace gradient_check_test
