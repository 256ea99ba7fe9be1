#include "charrnn/nn/model.hpp"

#include <doctest/doctest.h>

#include "charrnn/nn/runner.hpp"
#include "nn/instances.hpp"

namespace model_test {

using namespace charrnn;

namespace {

Matrix<std::uint32_t> ids(std::size_t steps, std::size_t lanes, std::size_t V) {
    Random random(9);
    Matrix<std::uint32_t> m({steps, lanes});
    for (auto& x : m) x = static_cast<std::uint32_t>(random.below(V));
    return m;
}

Tensor<float, 3> outputs(const Model<float>& m) {
    State<float> s = m.zero_state(3);
    return forward(m, ids(5, 3, m.in_size()), s);
}

}  // namespace

TEST_CASE("model: equals the chain with the same parameters, bit for bit") {
    Random a(1), b(1);
    // Braces: only they make the layers draw their first values in this order with every compiler.
    const Chain chain{LSTM(7, 5, a), LSTM(5, 5, a), Dense(5, 7, a), softmax};
    const Model<float> model = char_rnn("lstm", 7, 5, 2, b);
    CHECK(printed(model) == printed(chain));
    CHECK(summary(model) == summary(chain));
    CHECK(count_parameters(model) == count_parameters(chain));
    State<float> s = chain.zero_state(3), t = model.zero_state(3);
    CHECK((forward(chain, ids(5, 3, 7), s) == forward(model, ids(5, 3, 7), t)));
    CHECK(s == t);
    CHECK(chain.stages(Plan{.extent = {1, 1}}).size() == model.stages(Plan{.extent = {1, 1}}).size());
}

TEST_CASE("model: a copy is deep, and assigning one replaces all") {
    Random random(1);
    Model<float> model = char_rnn("rnn", 7, 5, 1, random);
    const Tensor<float, 3> before = outputs(model);
    Model<float> copy = model;
    for (const auto& p : copy.parameters()) std::fill_n(p.data, p.size, 0.5F);
    CHECK((outputs(model) == before));
    CHECK((outputs(copy) != before));
    CHECK(model.parameters()[0].data != copy.parameters()[0].data);
    copy = model;
    CHECK((outputs(copy) == before));
    const Model<float> moved = std::move(copy);
    CHECK((outputs(moved) == before));
}

TEST_CASE("model: the usual model of each name and size") {
    const Model<float> lstm = char_rnn("lstm", 101, 128, 2);
    CHECK(count_parameters(lstm) == 262'373);
    CHECK(lstm.size() == 3);
    CHECK(lstm.ends_in_softmax());
    CHECK(lstm.layer(0).as<Recur<LSTMCell>>() != nullptr);
    CHECK(lstm.layer(0).as<Recur<RNNCell>>() == nullptr);
    CHECK(count_parameters(char_rnn("rnn", 101, 256, 2)) == 248'933);
    CHECK(printed(char_rnn("rnn", 5, 4, 1)) == "Chain(Recur(RNNCell(5, 4, tanh)), Dense(4, 5), softmax)");
}

TEST_CASE("model: errors") {
    // A program, and another test, may have added cells.
    std::string known;
    for (const std::string& name : Registry<>::instance().names())
        known += (known.empty() ? "" : ", ") + name;
    for (const char* name : {"dense", "dropout", "embedding", "gru", "lstm", "rnn"})
        CHECK(known.find(name) != std::string::npos);
    CHECK_THROWS_WITH_AS(
        char_rnn("gruu", 5, 4, 1),
        doctest::Contains(("no layer is called 'gruu': expected one of " + known + ";").c_str()),
        value_error);
    CHECK(printed(Registry<>::instance().make("dropout", 8, 8)) == "Dropout(8, 0.5)");
    CHECK_THROWS_WITH_AS(char_rnn("lstm", 5, 4, 0), "layers is 0: expected at least 1", value_error);
    CHECK_THROWS_AS(char_rnn("lstm", 5, 0, 1), value_error);
    CHECK_THROWS_AS(char_rnn("lstm", 0, 4, 1), value_error);
    Model<float> m;
    CHECK_THROWS_WITH_AS(static_cast<void>(m.in_size()), "Model: no layers", shape_error);
    CHECK_THROWS_AS(static_cast<void>(m.stages({})), shape_error);
    m.add(LSTM(7, 5));
    CHECK_THROWS_WITH_AS(
        m.add(Dense(4, 7)),
        "Chain: layer 1, Dense(4, 7), expects D = 4, but layer 0, Recur(LSTMCell(7, 5)), gives 5",
        shape_error);
    CHECK(m.size() == 1);  // a layer that does not fit was not added
    m.add(softmax);
    CHECK_THROWS_WITH_AS(m.add(Dense(5, 7)), "Model: a layer after softmax: Dense(5, 7)", shape_error);
}

}  // namespace model_test
