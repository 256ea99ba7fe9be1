#include <doctest/doctest.h>

#include <algorithm>
#include <cmath>
#include <vector>

#include <charrnn/charrnn.hpp>
#include "nietzsche/ladder.hpp"
#include "nn/instances.hpp"
#include "nn/run.hpp"
#include "temporary_folder.hpp"

// The cells of the ladder, which are a user's own: their gradients, and their formulas once more as plain loops.

using namespace charrnn;

namespace {

/// y of one step of one lane, as sums over plain numbers: f(sum of x[i] W(i, j) + b[j]).
template <class F>
std::vector<double> linear(const std::vector<double>& x, const Matrix<double>& W, const Vector<double>& b,
                           F f) {
    std::vector<double> y(W.shape(1));
    for (std::size_t j = 0; j < y.size(); ++j) {
        double sum = b(j);
        for (std::size_t i = 0; i < x.size(); ++i) sum += x[i] * W(i, j);
        y[j] = f(sum);
    }
    return y;
}

double relu(double x) { return x > 0 ? x : 0; }
double tanh_of(double x) { return std::tanh(x); }

/// The state after one step, from the state before and what is read.
std::vector<double> next(const Recur<AddCell, double>& layer, std::vector<double> h,
                         const std::vector<double>& x) {
    const auto& p = layer.params();
    const auto u = linear(x, p.W1, p.b1, relu);
    for (std::size_t j = 0; j < h.size(); ++j) h[j] += u[j];
    return linear(h, p.W2, p.b2, tanh_of);
}
std::vector<double> next(const Recur<ConcatCell, double>& layer, std::vector<double> h,
                         const std::vector<double>& x) {
    const auto& p = layer.params();
    h.insert(h.end(), x.begin(), x.end());
    return linear(linear(h, p.W1, p.b1, relu), p.W2, p.b2, tanh_of);
}

/// Windows of a layer against its formula, lane by lane.
template <class Cell>
void check_formula() {
    Random random(4);
    constexpr std::size_t D = 5, H = 7, steps = 6, lanes = 3;
    Recur<Cell, double> layer(Cell{D, H}, random);
    layer.params().visit([&](const char*, auto& array) { init::normal(array, 0.5, random); });
    const naive::Window w = test::random_window(steps, lanes, D, H, 1, false, random);
    const naive::Numbers y = test::run_layer<double>(layer, w).at("y");
    for (std::size_t n = 0; n < lanes; ++n) {
        std::vector<double> h(w.state[0].begin() + static_cast<std::ptrdiff_t>(n * H),
                              w.state[0].begin() + static_cast<std::ptrdiff_t>((n + 1) * H));
        for (std::size_t t = 0; t < steps; ++t) {
            const auto x = w.x.begin() + static_cast<std::ptrdiff_t>((t * lanes + n) * D);
            h = next(layer, h, {x, x + D});
            for (std::size_t j = 0; j < H; ++j)
                CHECK(y[(t * lanes + n) * H + j] == doctest::Approx(h[j]).epsilon(1e-12));
        }
    }
}

template <class Cell>
void check_gradient() {
    Random random(7);
    for (const bool ids : {false, true}) {
        const Chain model{Recur<Cell, double>(Cell{5, 4}, random), Recur<Cell, double>(Cell{4, 6}, random),
                          Dense<double>(6, 5, random)};
        const GradientReport r = check_gradients(model, {.steps = 4, .truncate = 3, .groups = 2, .ids = ids});
        INFO(r);
        CHECK(r.passed());
    }
}

}  // namespace

TEST_CASE("nietzsche: the ladder's own cells have the right gradients") {
    check_gradient<AddCell>();
    check_gradient<ConcatCell>();
    check_gradient<PlainCell>();
}

TEST_CASE("nietzsche: AddCell and ConcatCell are what their formulas say") {
    check_formula<AddCell>();
    check_formula<ConcatCell>();
}

TEST_CASE("nietzsche: the cell written by hand is the library's") {
    Random random(1);
    Recur<PlainCell, double> own(PlainCell{6, 9}, random);
    Random again(1);
    Recur<RNNCell, double> built_in(RNNCell{6, 9}, again);
    for (const bool ids : {false, true}) {
        const naive::Window w = test::random_window(7, 3, 6, 9, 1, ids, random);
        CHECK(test::worst(test::run_layer<double>(own, w, {ids, 2, 1}),
                          test::run_layer<double>(built_in, w, {ids, 2, 1})) < 1e-12);
    }
}

TEST_CASE("nietzsche: every rung has a model of the course's shape") {
    for (const Rung& rung : ladder()) {
        INFO(rung.name);
        Random random(1);
        Model<> model = rung.model(56, rung.hidden, random);
        CHECK(model.in_size() == 56);
        CHECK(model.out_size() == 56);
        CHECK(parameter(model, "layers.0.W").shape == std::vector<std::size_t>{56, 42});
        REQUIRE(!rung.marks.empty());
        for (std::size_t i = 1; i < rung.marks.size(); ++i)
            CHECK(rung.marks[i - 1].epochs < rung.marks[i].epochs);
        if (rung.name == "identity") {
            const auto wh = parameter(model, "layers.1.cell.Wh");
            for (std::size_t i = 0; i < wh.size; ++i) CHECK(wh.data[i] == (i / 256 == i % 256 ? 1.0F : 0.0F));
        }
        // PyTorch's first values: a Linear from 42 is uniform on +-1 / sqrt(42).
        if (rung.name == "char3") {
            float most = 0;
            for (const float w : parameter(model, "layers.1.cell.W1")) most = std::max(most, std::abs(w));
            CHECK(most <= 1 / std::sqrt(42.0F));
            CHECK(most > 0.99F / std::sqrt(42.0F));
        }
    }
}

TEST_CASE(
    "nietzsche: the LSTM's rate falls in cycles of 1, 2, 4 and 8 epochs, twice, the second time to 32") {
    const std::vector<Rung> rungs = ladder();
    const auto lstm =
        std::find_if(rungs.begin(), rungs.end(), [](const Rung& r) { return r.name == "lstm"; });
    REQUIRE(lstm != rungs.end());
    const Schedule& s = lstm->schedule;
    constexpr std::size_t epoch = 100;
    CHECK(s(0, epoch) == 1);
    CHECK(s(199, epoch) == 1);
    for (const std::uint64_t start : {2U, 3U, 5U, 9U, 17U, 18U, 20U, 24U, 32U, 48U}) {
        CHECK(s(start * epoch, epoch) == doctest::Approx(1));
        if (start > 2) CHECK(s(start * epoch - 1, epoch) < 1e-3);
    }
    CHECK(s.cycles(17 * epoch, epoch) == 4);
    CHECK(s.cycles(80 * epoch, epoch) == 10);
}

TEST_CASE("nietzsche: models of one's own cells are saved and read again") {
    Registry<>& registry = Registry<>::instance();
    registry.add_cell<AddCell>(), registry.add_cell<ConcatCell>(), registry.add_cell<PlainCell>();
    const test::TemporaryFolder folder;
    const Alphabet alphabet(Text::from_string("abcdefg"));
    for (const Rung& rung : ladder()) {
        INFO(rung.name);
        Random random(1);
        Model<> model = rung.model(alphabet.size(), 6, random);
        const std::string path = folder.path() + "/" + rung.name + ".safetensors";
        save(path, model, alphabet);
        const Model<> again = load_model(path).model;
        CHECK(printed(again) == printed(model));
        CHECK(sample(again, alphabet, 50, {.prompt = "a"}) == sample(model, alphabet, 50, {.prompt = "a"}));
    }
}
