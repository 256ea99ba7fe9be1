#include <charrnn/nn/init.hpp>

#include <doctest/doctest.h>

#include <algorithm>
#include <cmath>

#include <charrnn/nn/gradient_check.hpp>
#include <charrnn/nn/model.hpp>
#include "nn/instances.hpp"

namespace init_test {

using namespace charrnn;

namespace {

struct Spread {
    double most = 0, mean = 0, deviation = 0;
};

template <class A>
Spread spread(const A& begin, const A& end) {
    Spread s;
    double n = 0, squares = 0;
    for (auto i = begin; i != end; ++i, ++n) {
        const auto x = static_cast<double>(*i);
        s.most = std::max(s.most, std::abs(x)), s.mean += x, squares += x * x;
    }
    s.mean /= n;
    s.deviation = std::sqrt(squares / n - s.mean * s.mean);
    return s;
}

void check_uniform(const Spread& s, double limit) {
    CHECK(s.most <= limit);
    CHECK(s.deviation == doctest::Approx(limit / std::sqrt(3)).epsilon(0.1));
    CHECK(std::abs(s.mean) < 0.2 * limit);
}

/// The largest difference of W^T W (or W W^T) of a block from gain^2 times the identity.
double distance(const Matrix<double>& w, std::size_t first, std::size_t columns, double gain) {
    const std::size_t rows = w.shape(0), count = std::min(rows, columns);
    double most = 0;
    for (std::size_t a = 0; a < count; ++a)
        for (std::size_t b = 0; b < count; ++b) {
            double s = 0;
            for (std::size_t i = 0; i < std::max(rows, columns); ++i)
                s += rows >= columns ? w(i, first + a) * w(i, first + b) : w(a, first + i) * w(b, first + i);
            most = std::max(most, std::abs(s - (a == b ? gain * gain : 0)));
        }
    return most;
}

}  // namespace

TEST_CASE("init: Glorot's two, with a vector's fan") {
    Random random(1);
    Matrix<double> w({40, 60});
    Vector<double> b = xt::zeros<double>({600});
    init::glorot_uniform(w, random);
    check_uniform(spread(w.begin(), w.end()), std::sqrt(6.0 / 100));
    init::glorot_normal(w, random);
    CHECK(spread(w.begin(), w.end()).deviation == doctest::Approx(std::sqrt(2.0 / 100)).epsilon(0.05));
    init::glorot_uniform(b, random);
    check_uniform(spread(b.begin(), b.end()), std::sqrt(6.0 / 600));
    init::constant(b, 0.5);
    CHECK(spread(b.begin(), b.end()).most == 0.5);
}

TEST_CASE("init: orthogonal matrices, tall, wide and in blocks") {
    Random random(2);
    Matrix<double> square({30, 30}), tall({30, 7}), wide({7, 30}), gates({20, 80});
    init::orthogonal(square, random);
    init::orthogonal(tall, random, 2);
    init::orthogonal(wide, random);
    init::orthogonal(gates, random, 1, 4);
    CHECK(distance(square, 0, 30, 1) < 1e-13);
    CHECK(distance(tall, 0, 7, 2) < 1e-13);
    CHECK(distance(wide, 0, 30, 1) < 1e-13);
    for (std::size_t g = 0; g < 4; ++g) CHECK(distance(gates, 20 * g, 20, 1) < 1e-13);
    Vector<double> b = xt::zeros<double>({3});
    CHECK_THROWS_WITH_AS(init::orthogonal(b, random), "orthogonal: a vector, expected a matrix", shape_error);
    CHECK_THROWS_WITH_AS(init::identity(gates, 1, 3), "identity: 80 columns, expected a multiple of 3 blocks",
                         shape_error);
}

TEST_CASE("init: an identity-initialised ReLU network keeps what it was told") {
    Random random(3);
    Chain model(RNN<double>(2, 3, activation::relu, random));
    auto& p = model.layer<0>().params();
    init::constant(p.Wi, 0);
    init::constant(p.b, 0);
    init::identity(p.Wh);
    p.Wi(1, 0) = 0.25, p.Wi(1, 2) = 0.5;
    Matrix<std::uint32_t> ids = xt::zeros<std::uint32_t>({100, 1});
    ids(0, 0) = 1;
    auto state = model.zero_state(1);
    const auto y = forward(model, ids, state);
    CHECK(y(99, 0, 0) == 0.25);
    CHECK(y(99, 0, 1) == 0);
    CHECK(y(99, 0, 2) == 0.5);
    init::uniform(p.Wi, 1, random);
    CHECK(check_gradients(model).passed());
}

TEST_CASE("init: a model's parameter by its name") {
    Random random(4);
    Model<double> model;
    model.add(LSTM<double>(5, 6, random)).add(Dense<double>(6, 5, random));
    init::orthogonal(parameter(model, "layers.0.cell.Wh"), random, 1, 4);
    Matrix<double> wh({6, 24});
    const auto p = parameter(model, "layers.0.cell.Wh");
    std::copy(p.begin(), p.end(), wh.begin());
    for (std::size_t g = 0; g < 4; ++g) CHECK(distance(wh, 6 * g, 6, 1) < 1e-13);
    CHECK_THROWS_WITH_AS(init::constant(parameter(model, "layers.0.Wh"), 0),
                         "no parameter is called 'layers.0.Wh': expected one of layers.0.cell.Wi, "
                         "layers.0.cell.Wh, layers.0.cell.b, layers.1.W, layers.1.b",
                         value_error);
}

TEST_CASE("init: PyTorch's first values, in a Chain and a Model") {
    Random random(5);
    Chain chain(Embedding(85, 42, random), GRU(42, 100, random), LSTM(100, 64, random), Dense(64, 85, random),
                softmax);
    init::pytorch(chain, random);
    const auto& e = chain.layer<0>().params().W;
    CHECK(spread(e.begin(), e.end()).deviation == doctest::Approx(1).epsilon(0.05));
    const auto& gru = chain.layer<1>().params();
    check_uniform(spread(gru.Wi.begin(), gru.Wi.end()), 0.1);
    check_uniform(spread(gru.Wh.begin(), gru.Wh.end()), 0.1);
    CHECK(spread(gru.b.begin(), gru.b.begin() + 200).deviation ==
          doctest::Approx(0.1 * std::sqrt(2.0 / 3)).epsilon(0.15));  // the sum of two
    check_uniform(spread(gru.b.begin() + 200, gru.b.end()), 0.1);    // b_nx and b_nh stand alone
    const auto& lstm = chain.layer<2>().params();
    check_uniform(spread(lstm.Wi.begin(), lstm.Wi.end()), 0.125);
    CHECK(spread(lstm.b.begin(), lstm.b.end()).most > 0.125);
    CHECK(spread(lstm.b.begin(), lstm.b.end()).most <= 0.25);
    const auto& dense = chain.layer<3>().params();
    check_uniform(spread(dense.W.begin(), dense.W.end()), 0.125);
    check_uniform(spread(dense.b.begin(), dense.b.end()), 0.125);

    Random a(7), b(7);
    Model<> one = char_rnn("rnn", 9, 4, 2), two = char_rnn("rnn", 9, 4, 2);
    init::pytorch(one, a);
    init::pytorch(two, b);
    CHECK(std::equal(one.parameters()[3].begin(), one.parameters()[3].end(), two.parameters()[3].begin()));
}

}  // namespace init_test
