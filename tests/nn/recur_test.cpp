#include <charrnn/nn/recur.hpp>

#include <doctest/doctest.h>

#include <array>
#include <string>
#include <vector>

#include <charrnn/nn/lstm.hpp>
#include <charrnn/nn/rnn.hpp>
#include "levels.hpp"
#include "nn/run.hpp"

namespace recur_test {

using namespace charrnn;
using test::How;

static_assert(GatedCell<LSTMCell> && GatedCell<RNNCell>);
static_assert(Cell<LSTMCell> && !StepCell<LSTMCell>);
static_assert(Layer<Recur<LSTMCell>> && Layer<Recur<RNNCell, double>>);
static_assert(!Cell<int> && !Layer<LSTMCell>);

namespace {

template <class T>
constexpr double tolerance = sizeof(T) == 4 ? 1e-4 : 1e-12;

constexpr std::array<std::size_t, 6> widths{1, 5, 16, 17, 33, 64};

template <class C, class T>
naive::Recurrent naive_twin(Recur<C, T>& layer) {
    naive::Arrays p = test::parameters_of(layer);
    naive::Recurrent twin{C::parts == 2, layer.in_size(), layer.out_size(), p["Wi"], p["Wh"], p["b"]};
    if constexpr (requires { layer.cell().activation; }) twin.f = layer.cell().activation;
    return twin;
}

template <class C, class T>
Recur<C, T> layer_of(C cell, std::uint64_t seed) {
    Random random(seed);
    return Recur<C, T>(cell, random);
}

/// One layer, a window, and the layer's naive twin's answer.
template <class C, class T>
struct Case {
    Recur<C, T> layer;
    naive::Window window;
    naive::Arrays want;

    Case(C cell, std::size_t steps, std::size_t lanes, bool ids, std::size_t truncate = 0)
        : layer(layer_of<C, T>(cell, 1)) {
        Random random(2);
        window = test::random_window(steps, lanes, cell.in, cell.out, C::parts, ids, random);
        window.truncate = truncate;
        want = naive_twin(layer).run(window);
    }
    [[nodiscard]] naive::Arrays run(const How& how) const {
        return test::run_layer<T>(AnyLayer<T>(layer), window, how);
    }
};

template <class C, class T>
void check_sizes() {
    for (std::size_t i = 0; i < widths.size(); ++i)
        for (const std::size_t shift : {0U, 2U, 3U})
            for (const std::size_t lanes : {1U, 3U, 25U})
                for (const std::size_t steps : {1U, 3U, 7U})
                    for (const bool ids : {false, true}) {
                        const std::size_t H = widths[i], D = widths[(i + shift) % widths.size()];
                        if (H * D * lanes * steps > 100'000)
                            continue;  // nothing new, but minutes of naive loops
                        const Case<C, T> c(C{D, H}, steps, lanes, ids);
                        for (const Simd level : test::levels()) {
                            const test::UseLevel use(level);
                            CAPTURE(name(level));
                            CAPTURE(D);
                            CAPTURE(H);
                            CAPTURE(lanes);
                            CAPTURE(steps);
                            CAPTURE(ids);
                            CHECK(test::worst(c.run({.ids = ids}), c.want) < tolerance<T>);
                        }
                    }
}

}  // namespace

TEST_CASE("recur: LSTM in float agrees with plain loops") { check_sizes<LSTMCell, float>(); }
TEST_CASE("recur: LSTM in double agrees with plain loops") { check_sizes<LSTMCell, double>(); }
TEST_CASE("recur: RNN in float agrees with plain loops") { check_sizes<RNNCell, float>(); }
TEST_CASE("recur: RNN in double agrees with plain loops") { check_sizes<RNNCell, double>(); }

TEST_CASE("recur: RNN with each activation") {
    constexpr Activation softsign = activation::custom(
        "softsign", [](double x) { return x / (1 + std::abs(x)); },
        [](double x, double) { return 1 / ((1 + std::abs(x)) * (1 + std::abs(x))); });
    for (const Activation& f :
         {activation::identity, activation::tanh, activation::sigmoid, activation::relu, softsign}) {
        CAPTURE(f.name);
        const Case<RNNCell, double> c(RNNCell{6, 5, f}, 5, 3, false);
        CHECK(test::worst(c.run({}), c.want) < 1e-12);
    }
}

TEST_CASE("recur: a slope without a bound at zero does no harm to the units that are there") {
    // Units are padded to whole vectors, and the padding's pre-activation is zero.
    constexpr Activation root = activation::custom(
        "root", [](double x) { return std::copysign(std::sqrt(std::abs(x)), x); },
        [](double, double y) { return 0.5 / std::abs(y); });
    const Case<RNNCell, double> c(RNNCell{6, 5, root}, 5, 3, false);
    CHECK(test::worst(c.run({}), c.want) < 1e-10);
}

TEST_CASE("recur: the gradient is cut every few steps inside the window") {
    for (const std::size_t truncate : {1U, 2U, 3U, 6U, 7U, 10U}) {
        CAPTURE(truncate);
        const Case<LSTMCell, double> lstm({6, 9}, 7, 3, false, truncate);
        CHECK(test::worst(lstm.run({}), lstm.want) < 1e-12);
        const Case<RNNCell, double> rnn({6, 9}, 7, 3, true, truncate);
        CHECK(test::worst(rnn.run({.ids = true}), rnn.want) < 1e-12);
        const Case<LSTMCell, double> uncut({6, 9}, 7, 3, false);
        CHECK((uncut.want == lstm.want) == (truncate >= 7));
    }
}

TEST_CASE("recur: documents that begin inside the window begin from zero") {
    Case<LSTMCell, double> lstm({6, 9}, 7, 3, false);
    Case<RNNCell, double> rnn({6, 9}, 7, 3, true, 3);
    const naive::Arrays without = lstm.want;
    std::vector<std::uint8_t> begins(7 * 3, 0);
    begins[0 * 3 + 1] = begins[4 * 3 + 1] = begins[4 * 3 + 2] = begins[6 * 3 + 0] = 1;
    lstm.window.begins = rnn.window.begins = begins;
    lstm.want = naive_twin(lstm.layer).run(lstm.window);
    rnn.want = naive_twin(rnn.layer).run(rnn.window);
    CHECK(lstm.want != without);
    for (const std::size_t groups : {1U, 2U, 3U}) {
        CHECK(test::worst(lstm.run({.groups = groups}), lstm.want) < 1e-12);
        CHECK(test::worst(rnn.run({.ids = true, .groups = groups}), rnn.want) < 1e-12);
    }
    // Lane 1 began at step 0: its first state has no influence.
    for (std::size_t j = 9; j < 18; ++j) CHECK(lstm.run({})["before.1"][j] == 0);
}

TEST_CASE("recur: documents that begin inside the window need room made for them") {
    const auto refused = [](const auto& layer) {
        Model<float> model;
        model.add(layer);
        Runner<float> runner(model, Plan{.extent = {1, 1}});
        runner.prepare();
        const std::uint32_t id = 0;
        const std::uint8_t begins = 1;
        CHECK_THROWS_WITH_AS(runner.forward({&id, {}}, {.begins = &begins}, 1, {0, 1, 0}),
                             "Context::begins is given, but allow_begins() was not called", value_error);
    };
    refused(layer_of<LSTMCell, float>({2, 3}, 1));
    refused(layer_of<GRUResetBeforeCell, float>({2, 3}, 1));
}

TEST_CASE_TEMPLATE("recur: the same bits whatever the groups of lanes, the parts and the room", T, float,
                   double) {
    for (const Simd level : test::levels()) {
        const test::UseLevel use(level);
        CAPTURE(name(level));
        for (const bool ids : {false, true}) {
            const Case<LSTMCell, T> lstm({17, 33}, 5, 25, ids, 3);
            const Case<RNNCell, T> rnn({17, 33}, 5, 25, ids, 3);
            const naive::Arrays lstm_one = lstm.run({.ids = ids}), rnn_one = rnn.run({.ids = ids});
            for (const std::size_t groups : {1U, 2U, 3U, 4U, 26U})
                for (const std::size_t parts : {1U, 2U, 3U}) {
                    CAPTURE(groups);
                    CAPTURE(parts);
                    const How how{ids, groups, parts, parts};
                    CHECK(lstm.run(how) == lstm_one);
                    CHECK(rnn.run(how) == rnn_one);
                }
        }
    }
}

TEST_CASE_TEMPLATE("recur: ids and one-hot rows give the same bits", T, float, double) {
    const Case<LSTMCell, T> c({17, 21}, 4, 5, true);
    naive::Arrays ids = c.run({.ids = true}), rows = c.run({.ids = false});
    rows.erase("x");
    CHECK(ids == rows);
}

TEST_CASE("recur: on the matrix unit too, but for the last bits of what is added over a window") {
    const Case<LSTMCell, float> c({17, 21}, 4, 18, true);
    naive::Arrays ids = c.run({.ids = true}), rows = c.run({.ids = false});
    for (const char* array : {"y", "after.0", "after.1", "before.0", "before.1", "Wh", "b"})
        CHECK(ids.at(array) == rows.at(array));
    rows.erase("x");
    CHECK(test::worst(ids, rows) < 1e-6);
}

TEST_CASE_TEMPLATE("recur: the lanes do not touch each other", T, float, double) {
    for (const std::size_t lanes : {3U, 18U}) {
        Case<LSTMCell, T> c({5, 7}, 4, lanes, false);
        const naive::Arrays before = c.run({});
        for (std::size_t t = 0; t < 4; ++t)
            for (std::size_t i = 0; i < 5; ++i) c.window.x[(t * lanes + 1) * 5 + i] = NAN;
        const naive::Arrays after = c.run({});
        for (std::size_t t = 0; t < 4; ++t)
            for (std::size_t n = 0; n < lanes; ++n)
                for (std::size_t j = 0; j < 7; ++j) {
                    const std::size_t at = (t * lanes + n) * 7 + j;
                    if (n == 1)
                        CHECK(std::isnan(after.at("y")[at]));
                    else
                        CHECK(after.at("y")[at] == before.at("y")[at]);
                }
    }
}

TEST_CASE("recur: prints as it is written, and knows its sizes") {
    const auto lstm = layer_of<LSTMCell, float>({101, 128}, 1);
    CHECK(printed(lstm) == "Recur(LSTMCell(101, 128))");
    CHECK(printed(layer_of<RNNCell, float>({101, 256}, 1)) == "Recur(RNNCell(101, 256, tanh))");
    CHECK(lstm.in_size() == 101);
    CHECK(lstm.out_size() == 128);
    CHECK(lstm.state_parts() == 2);
    CHECK_THROWS_WITH_AS(Recur(LSTMCell{0, 5}),
                         "LSTMCell(0, 5): expected an input and an output width from 1 to 1073741824",
                         value_error);
    CHECK_THROWS_AS(Recur(RNNCell{5, 0}), value_error);
    CHECK_THROWS_AS(Recur(LSTMCell{std::size_t{1} << 62U, 4}), value_error);  // 16 times that is 0
}

TEST_CASE("recur: first values are Glorot uniform, and the forget gate's bias is 1") {
    const auto layer = layer_of<LSTMCell, double>({30, 20}, 1);
    const auto& p = layer.params();
    const auto check = [](const auto& begin, const auto& end, double limit) {
        double most = 0, mean = 0, n = 0;
        for (auto i = begin; i != end; ++i) most = std::max(most, std::abs(*i)), mean += *i, ++n;
        CHECK(most <= limit);
        CHECK(most > 0.75 * limit);
        CHECK(std::abs(mean / n) < 5 * limit / std::sqrt(3 * n));  // five deviations
    };
    check(p.Wi.begin(), p.Wi.end(), std::sqrt(6.0 / (30 + 80)));
    check(p.Wh.begin(), p.Wh.end(), std::sqrt(6.0 / (20 + 80)));
    check(p.b.begin(), p.b.begin() + 20, std::sqrt(6.0 / 80));
    check(p.b.begin() + 40, p.b.end(), std::sqrt(6.0 / 80));
    for (std::size_t j = 20; j < 40; ++j) CHECK(p.b(j) == 1);
    Random a(3), b(3);
    CHECK((Recur(LSTMCell{3, 4}, a).params().Wi == Recur(LSTMCell{3, 4}, b).params().Wi));
    CHECK((Recur(LSTMCell{3, 4}, a).params().Wi != Recur(LSTMCell{3, 4}, default_random()).params().Wi));
}

TEST_CASE("recur: cast keeps the values") {
    const auto layer = layer_of<RNNCell, float>({4, 3}, 1);
    const Recur<RNNCell, double> twin = layer.cast<double>();
    CHECK(twin.params().Wi(3, 2) == static_cast<double>(layer.params().Wi(3, 2)));
    CHECK((twin.cast<float>().params().Wh == layer.params().Wh));
}

}  // namespace recur_test
