#include <charrnn/nn/gru.hpp>

#include <doctest/doctest.h>

#include <charrnn/nn/gradient_check.hpp>
#include <charrnn/nn/gru_reset_before.hpp>
#include <charrnn/nn/model.hpp>
#include "levels.hpp"
#include "nn/run.hpp"

namespace gru_test {

// PyTorch's numbers for the GRU are compared in tests/golden.

using namespace charrnn;

static_assert(GatedCell<GRUCell> && !StepCell<GRUCell>);
static_assert(StepCell<GRUResetBeforeCell> && !GatedCell<GRUResetBeforeCell>);

namespace {

template <class C, class T>
void check_against_loops(double tolerance, const std::vector<Simd>& levels) {
    Random random(3);
    for (const auto& [d, h] : {std::pair<std::size_t, std::size_t>{1, 1}, {5, 16}, {33, 17}, {6, 40}})
        for (const std::size_t lanes : {1U, 3U, 14U, 18U})
            for (const std::size_t truncate : {0U, 2U})
                for (const bool ids : {false, true}) {
                    const std::size_t D = d, H = h;  // clang 14 captures no binding
                    Recur<C, T> layer(C{D, H}, random);
                    naive::Arrays p = test::parameters_of(layer);
                    naive::Window w = test::random_window(5, lanes, D, H, 1, ids, random);
                    w.truncate = truncate;
                    const naive::Arrays want = naive::Gru{StepCell<C>, D, H, p["Wi"], p["Wh"], p["b"]}.run(w);
                    CAPTURE(D);
                    CAPTURE(H);
                    CAPTURE(lanes);
                    CAPTURE(ids);
                    for (const Simd level : levels) {
                        const test::UseLevel use(level);
                        CAPTURE(name(level));
                        CHECK(test::worst(test::run_layer<T>(layer, w, {.ids = ids, .groups = 2}), want) <
                              tolerance);
                    }
                }
}

template <class C>
GradientReport check_chain(std::size_t truncate) {
    Random random(1);
    Model<double> m;
    m.add(Recur<C, double>(C{5, 4}, random))
        .add(Recur<C, double>(C{4, 9}, random))
        .add(Dense<double>(9, 5, random));
    return check_gradients(m, {.truncate = truncate, .groups = 2});
}

}  // namespace

TEST_CASE("gru: agrees with plain loops on every instruction set") {
    check_against_loops<GRUCell, double>(1e-12, test::levels());
    check_against_loops<GRUCell, float>(1e-4, test::levels());
}

TEST_CASE("gru: reset before the product agrees with plain loops") {
    check_against_loops<GRUResetBeforeCell, double>(1e-12, {simd::level()});  // on OpenBLAS
    check_against_loops<GRUResetBeforeCell, float>(1e-4, {simd::level()});
}

TEST_CASE("gru: gradients of both forms, through time and across windows") {
    for (const std::size_t truncate : {0U, 2U}) {
        const GradientReport after = check_chain<GRUCell>(truncate);
        const GradientReport before = check_chain<GRUResetBeforeCell>(truncate);
        INFO(after);
        INFO(before);
        CHECK(after.passed());
        CHECK(before.passed());
    }
}

TEST_CASE("gru: the same bits whatever the groups of lanes and the parts") {
    Random random(1);
    const Recur<GRUCell, float> layer(GRUCell{17, 33}, random);
    const naive::Window w = test::random_window(5, 11, 17, 33, 1, true, random);
    const naive::Arrays one = test::run_layer<float>(layer, w, {.ids = true});
    for (const std::size_t groups : {2U, 3U, 4U})
        for (const std::size_t parts : {1U, 2U, 3U})
            CHECK(test::run_layer<float>(layer, w, {true, groups, parts}) == one);
}

TEST_CASE("gru: prints as it is written, counts its parameters, and has a name") {
    Random random(1);
    CHECK(printed(GRUCell{101, 128}) == "GRUCell(101, 128)");
    CHECK(printed(GRU(101, 128, random)) == "Recur(GRUCell(101, 128))");
    CHECK(printed(GRUResetBeforeCell{5, 4}) == "GRUResetBeforeCell(5, 4)");
    Model<> m;
    m.add(Registry<>::instance().make("gru", 101, 128, random));
    CHECK(count_parameters(m) == 101 * 384 + 128 * 384 + 512);
    CHECK_THROWS_WITH_AS(Recur(GRUCell{0, 4}),
                         "GRUCell(0, 4): expected an input and an output width from 1 to 1073741824",
                         value_error);
}

TEST_CASE("gru: the first form has a name where a program gives it one") {
    Registry<> registry = Registry<>::instance();
    Random random(1);
    CHECK_THROWS_AS((void)registry.make("gru-reset-before", 5, 4, random), value_error);
    registry.add_cell<GRUResetBeforeCell>();
    const AnyLayer<float> layer = registry.make("gru-reset-before", 5, 4, random);
    CHECK(printed(layer) == "Recur(GRUResetBeforeCell(5, 4))");
    CHECK(layer.spec() == LayerSpec{.type = "gru-reset-before", .in = 5, .out = 4});
    CHECK(printed(registry.make(layer.spec(), random)) == printed(layer));
}

}  // namespace gru_test
