#include "charrnn/nn/runner.hpp"

#include <doctest/doctest.h>

#include <cmath>
#include <type_traits>

#include "charrnn/nn/model.hpp"
#include "levels.hpp"
#include "nn/instances.hpp"

namespace runner_test {

using namespace charrnn;

static_assert(!std::is_constructible_v<Stateful<Model<float>>, Model<float>&&>,
              "a temporary must not be borrowed");
static_assert(std::is_constructible_v<Stateful<Model<float>>, const Model<float>&>);

namespace {

template <class T>
Model<T> model_of(const std::string& cell, bool with_softmax = true) {
    Random random(1);
    const auto& make = Registry<T>::instance();
    Model<T> m;
    m.add(make.make(cell, 7, 18, random)).add(make.make(cell, 18, 5, random)).add(Dense<T>(5, 7, random));
    return with_softmax ? m.add(softmax) : m;
}

Matrix<std::uint32_t> ids(std::size_t steps, std::size_t lanes) {
    Random random(9);
    Matrix<std::uint32_t> m({steps, lanes});
    for (auto& x : m) x = static_cast<std::uint32_t>(random.below(7));
    return m;
}

template <class T>
Tensor<T, 3> one_hot(const Matrix<std::uint32_t>& x) {
    Tensor<T, 3> y = xt::zeros<T>({x.shape(0), x.shape(1), std::size_t{7}});
    for (std::size_t t = 0; t < x.shape(0); ++t)
        for (std::size_t n = 0; n < x.shape(1); ++n) y(t, n, x(t, n)) = 1;
    return y;
}

/// Steps first to first + count of a window.
template <class A>
A steps_of(const A& x, std::size_t first, std::size_t count) {
    auto shape = x.shape();
    const std::size_t step = x.size() / shape[0];
    shape[0] = count;
    A part(shape);
    std::copy_n(x.data() + first * step, count * step, part.data());
    return part;
}

}  // namespace

TEST_CASE_TEMPLATE("forward: a sequence in windows gives the bits of one long window", T, float, double) {
    for (const Simd level : test::levels()) {
        const test::UseLevel use(level);
        for (const char* cell : {"lstm", "rnn"}) {
            const Model<T> m = model_of<T>(cell);
            const auto x = ids(12, 3);
            State<T> s = m.zero_state(3);
            const Tensor<T, 3> whole = forward(m, x, s);
            for (const std::size_t length : {1U, 2U, 5U, 11U}) {
                State<T> carried = m.zero_state(3);
                for (std::size_t t = 0; t < 12; t += length) {
                    const std::size_t count = std::min<std::size_t>(length, 12 - t);
                    CHECK((forward(m, steps_of(x, t, count), carried) == steps_of(whole, t, count)));
                }
                CHECK(carried == s);
            }
        }
    }
}

TEST_CASE_TEMPLATE("forward: ids and one-hot rows give the same bits", T, float, double) {
    const Model<T> m = model_of<T>("lstm");
    State<T> a = m.zero_state(3), b = a;
    CHECK((forward(m, ids(6, 3), a) == forward(m, one_hot<T>(ids(6, 3)), b)));
    CHECK(a == b);
}

TEST_CASE("forward: softmax at the end makes distributions of the logits") {
    const Model<double> with = model_of<double>("rnn"), without = model_of<double>("rnn", false);
    State<double> a = with.zero_state(2), b = a;
    const auto p = forward(with, ids(3, 2), a), logits = forward(without, ids(3, 2), b);
    for (std::size_t t = 0; t < 3; ++t)
        for (std::size_t n = 0; n < 2; ++n) {
            double sum = 0, z = 0;
            for (std::size_t j = 0; j < 7; ++j) sum += p(t, n, j), z += std::exp(logits(t, n, j));
            CHECK(sum == doctest::Approx(1).epsilon(1e-14));
            CHECK(p(t, n, 4) == doctest::Approx(std::exp(logits(t, n, 4)) / z).epsilon(1e-13));
        }
}

TEST_CASE("forward: a window of no steps gives nothing and leaves the state") {
    const Model<float> m = model_of<float>("lstm");
    State<float> s = m.zero_state(2);
    forward(m, ids(3, 2), s);
    const State<float> before = s;
    CHECK(forward(m, ids(0, 2), s).shape(0) == 0);
    CHECK(s == before);
}

TEST_CASE("forward: what does not fit is named, and the state stays") {
    const Model<float> m = model_of<float>("lstm");
    State<float> s = m.zero_state(3);
    const State<float> before = s;
    const std::string name = printed(m);
    CHECK_THROWS_WITH_AS(forward(m, Tensor<float, 3>({2, 3, 65}), s),
                         (name + ": x is (2, 3, 65), expected D = 7").c_str(), shape_error);
    CHECK_THROWS_WITH_AS(forward(m, ids(2, 4), s),
                         (name + ": the state is of another model or number of lanes, expected that of "
                                 "zero_state(4)")
                             .c_str(),
                         shape_error);
    State<float> other = model_of<float>("rnn").zero_state(3);
    CHECK_THROWS_AS(forward(m, ids(2, 3), other), shape_error);
    State<float> none;
    CHECK_THROWS_AS(forward(m, ids(2, 3), none), shape_error);
    auto x = ids(2, 3);
    x(1, 2) = 7;
    CHECK_THROWS_WITH_AS(forward(m, x, s),
                         "id 7 at step 1 of lane 2: expected less than 7, the model's input width",
                         shape_error);
    CHECK(s == before);
}

TEST_CASE("stateful: goes on where it stopped, begins anew when told or with other lanes") {
    const Model<float> model = model_of<float>("lstm");
    Stateful m(model);
    const auto x = ids(8, 2);
    State<float> s = model.zero_state(2);
    const auto whole = forward(model, x, s);
    CHECK((m(steps_of(x, 0, 3)) == steps_of(whole, 0, 3)));
    CHECK((m(steps_of(x, 3, 5)) == steps_of(whole, 3, 5)));
    CHECK(m.state() == s);
    m.reset();
    CHECK((m(x) == whole));
    CHECK(m(ids(1, 5)).shape(1) == 5);
    CHECK((m(x) == whole));
}

TEST_CASE("runner: a shorter window in the room of a longer one, and nothing left over from the one before") {
    const Model<float> m = model_of<float>("lstm");
    const auto x = ids(9, 4);
    const auto gradients = [&](std::size_t room, bool used_before) {
        Runner<float> runner(m, Plan{.extent = {room, 4}, .backward = true});
        const Input<float> input{x.data(), {}};
        const float scale = 1;
        runner.prepare();
        const auto pass = [&](std::size_t steps) {
            runner.load(m.zero_state(4));
            runner.forward(input, {}, steps, {0, 4, 0});
            runner.loss(x.data(), nullptr, steps, {0, 4, 0}, &scale);
            runner.backward(input, {}, steps, {0, 4, 0});
            runner.gradient(input, {}, steps);
        };
        if (used_before) pass(9);
        pass(3);
        std::vector<float> all{static_cast<float>(runner.total_loss(3))};
        for (const auto& g : runner.gradients()) all.insert(all.end(), g.data, g.data + g.size);
        return all;
    };
    const auto exact = gradients(3, false);
    CHECK(gradients(9, false) == exact);
    CHECK(gradients(9, true) == exact);
}

}  // namespace runner_test
