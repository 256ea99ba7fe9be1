#include "charrnn/nn/chain.hpp"

#include <doctest/doctest.h>

#include <string>

#include "charrnn/nn/model.hpp"
#include "charrnn/nn/runner.hpp"
#include "nn/instances.hpp"

namespace chain_test {

using namespace charrnn;

using Small = Chain<Recur<LSTMCell>, Recur<LSTMCell>, Dense<float>, Softmax>;

static_assert(SequenceModel<Small> && SequenceModel<Model<float>> && SequenceModel<Model<double>>);
static_assert(!SequenceModel<Dense<float>>);
static_assert(Small::size() == 3 && Small::ends_in_softmax());
static_assert(std::is_same_v<decltype(std::declval<Small>().cast<double>())::value_type, double>);
static_assert(!Layer<Softmax> && !Layer<int> && !Layer<Small>);

TEST_CASE("chain: the LSTM of the kernel experiment prints as one writes it, with its parameters") {
    const Chain model(LSTM(101, 128), LSTM(128, 128), Dense(128, 101), softmax);
    CHECK(printed(model) ==
          "Chain(Recur(LSTMCell(101, 128)), Recur(LSTMCell(128, 128)), Dense(128, 101), softmax)");
    CHECK(count_parameters(model) == 262'373);
    CHECK(summary(model) ==
          "Chain(\n"
          "  Recur(LSTMCell(101, 128)),  # 117,760 parameters\n"
          "  Recur(LSTMCell(128, 128)),  # 131,584 parameters\n"
          "  Dense(128, 101),            # 13,029 parameters\n"
          "  softmax,\n"
          ")                             # 262,373 in all");
}

TEST_CASE("chain: the RNN of the kernel experiment") {
    const Chain model(RNN(101, 256), RNN(256, 256), Dense(256, 101), softmax);
    CHECK(printed(model) ==
          "Chain(Recur(RNNCell(101, 256, tanh)), Recur(RNNCell(256, 256, tanh)), Dense(256, 101), softmax)");
    CHECK(count_parameters(model) == 248'933);
}

TEST_CASE("chain: parameters have names and shapes, and are the layers' own") {
    Random random(1);
    Small model(LSTM(7, 5, random), LSTM(5, 6, random), Dense(6, 7, random), softmax);
    std::string names;
    std::size_t n = 0;
    for (const auto& p : model.parameters()) names += p.name + " ", n += p.size;
    CHECK(
        names ==
        "layers.0.cell.Wi layers.0.cell.Wh layers.0.cell.b layers.1.cell.Wi layers.1.cell.Wh layers.1.cell.b "
        "layers.2.W layers.2.b ");
    CHECK(n == count_parameters(model));
    CHECK(model.parameters()[0].shape == std::vector<std::size_t>{7, 20});
    CHECK(model.parameters()[7].shape == std::vector<std::size_t>{7});
    model.parameters()[7].data[3] = 42;
    CHECK(model.layer<2>().params().b(3) == 42);
    CHECK(model.in_size() == 7);
    CHECK(model.out_size() == 7);
    // The gradients stand in the same order under the same names.
    Runner<float> runner(model, Plan{.extent = {1, 1}, .backward = true});
    const auto gradients = runner.gradients();
    REQUIRE(gradients.size() == 8);
    for (std::size_t i = 0; i < 8; ++i) {
        CHECK(gradients[i].name == model.parameters()[i].name);
        CHECK(gradients[i].shape == model.parameters()[i].shape);
        CHECK(gradients[i].data != model.parameters()[i].data);
    }
}

TEST_CASE("chain: the state is zero at first, and has the parts of each layer") {
    Random random(1);
    const Small model(LSTM(7, 5, random), LSTM(5, 6, random), Dense(6, 7, random), softmax);
    const State<float> s = model.zero_state(3);
    REQUIRE(s.size() == 3);
    CHECK(s[0].size() == 2);
    CHECK(s[2].empty());
    CHECK((s[1][1] == Matrix<float>(xt::zeros<float>({3, 6}))));
}

TEST_CASE("chain: layers that do not fit are named") {
    CHECK_THROWS_WITH_AS(Small(LSTM(7, 5), LSTM(4, 6), Dense(6, 7), softmax),
                         "Chain: layer 1, Recur(LSTMCell(4, 6)), expects D = 4, but layer 0, "
                         "Recur(LSTMCell(7, 5)), gives 5",
                         shape_error);
    CHECK_THROWS_WITH_AS(
        Small(LSTM(7, 5), LSTM(5, 6), Dense(64, 10), softmax),
        "Chain: layer 2, Dense(64, 10), expects D = 64, but layer 1, Recur(LSTMCell(5, 6)), gives 6",
        shape_error);
}

TEST_CASE("chain: a copy is its own, and a cast keeps the values") {
    Random random(1);
    Small model(LSTM(7, 5, random), LSTM(5, 6, random), Dense(6, 7, random), softmax);
    Small copy = model;
    copy.layer<0>().params().Wi(0, 0) = 9;
    CHECK(model.layer<0>().params().Wi(0, 0) != 9);
    const auto twin = copy.cast<double>();
    CHECK(twin.layer<0>().params().Wi(0, 0) == 9);
    CHECK(twin.layer<2>().params().W(5, 6) == static_cast<double>(model.layer<2>().params().W(5, 6)));
    CHECK(printed(twin) == printed(model));
}

}  // namespace chain_test
