#include <charrnn/nn/loss.hpp>

#include <doctest/doctest.h>

#include <cmath>
#include <limits>
#include <vector>

#include <charrnn/core/buffer.hpp>
#include <charrnn/core/random.hpp>
#include "levels.hpp"

namespace loss_test {

using namespace charrnn;

namespace {

using TargetIds = std::vector<std::uint32_t>;

/// Logits of a window, and what the kernel makes of them.
template <class T>
struct Window {
    std::size_t steps, lanes, V, ld = row_stride<T>(V);
    Buffer<T> logits, d_logits;
    TargetIds targets, valid;
    std::vector<double> losses;

    Window(std::size_t t, std::size_t n, std::size_t v, double spread) : steps(t), lanes(n), V(v) {
        Random random(1);
        logits.resize(t * n * ld), d_logits.resize(t * n * ld), losses.resize(t * n);
        for (auto& x : logits) x = static_cast<T>(random.uniform(-spread, spread));
        for (std::size_t r = 0; r < t * n; ++r)
            targets.push_back(static_cast<std::uint32_t>(random.below(v)));
    }
    void run(Simd level, T scale, std::size_t groups = 1, bool backward = true) {
        for (std::size_t g = 0; g < groups; ++g)
            simd::dispatch(level, detail::CrossEntropyRows<T>{
                                      {logits.data(), steps * lanes, V, ld},
                                      backward ? View<T>(d_logits.data(), steps * lanes, V, ld) : View<T>(),
                                      targets.data(),
                                      valid.empty() ? nullptr : valid.data(),
                                      lanes,
                                      steps,
                                      Lanes::of(lanes, g, groups),
                                      scale,
                                      losses.data()});
    }
    /// The loss of row r and its gradient, by the formula.
    [[nodiscard]] std::vector<long double> softmax(std::size_t r) const {
        long double most = logits[r * ld], sum = 0;
        for (std::size_t j = 0; j < V; ++j) most = std::max<long double>(most, logits[r * ld + j]);
        std::vector<long double> p;
        for (std::size_t j = 0; j < V; ++j) sum += p.emplace_back(std::exp(logits[r * ld + j] - most));
        for (auto& x : p) x /= sum;
        return p;
    }
};

template <class T>
void check_against_formula(Window<T>& w, Simd level, double tolerance) {
    w.run(level, T(0.125));
    for (std::size_t r = 0; r < w.steps * w.lanes; ++r) {
        const auto p = w.softmax(r);
        CHECK(w.losses[r] ==
              doctest::Approx(static_cast<double>(-std::log(p[w.targets[r]]))).epsilon(tolerance));
        double sum = 0;
        for (std::size_t j = 0; j < w.V; ++j) {
            const auto want = static_cast<double>(p[j] - (j == w.targets[r] ? 1 : 0)) * 0.125;
            CHECK(std::abs(static_cast<double>(w.d_logits[r * w.ld + j]) - want) < tolerance);
            sum += static_cast<double>(w.d_logits[r * w.ld + j]);
        }
        CHECK(std::abs(sum) < tolerance * static_cast<double>(w.V));
    }
}

}  // namespace

TEST_CASE_TEMPLATE("loss: losses and gradients by the formula, for all widths of alphabet", T, float,
                   double) {
    const double tolerance = sizeof(T) == 4 ? 1e-6 : 1e-14;
    for (const Simd level : test::levels())
        for (const std::size_t V : {1U, 2U, 3U, 7U, 8U, 15U, 16U, 17U, 31U, 32U, 33U, 101U}) {
            CAPTURE(name(level));
            CAPTURE(V);
            Window<T> w(2, 3, V, 4);
            check_against_formula(w, level, tolerance);
        }
}

TEST_CASE_TEMPLATE("loss: extreme logits", T, float, double) {
    for (const Simd level : test::levels()) {
        Window<T> w(1, 4, 5, 1);
        const auto row = [&](std::size_t r, T first, T others) {
            for (std::size_t j = 0; j < 5; ++j) w.logits[r * w.ld + j] = j == 0 ? first : others;
        };
        row(0, T(1e4), T(-1e4)), row(1, T(1e4), T(-1e4)), row(2, T(1e4), T(1e4)), row(3, T(-1e4), T(-1e4));
        w.targets = {0, 1, 2, 3};
        w.run(level, 1);
        CHECK(w.losses[0] == doctest::Approx(0));
        CHECK(w.losses[1] == doctest::Approx(2e4));
        CHECK(w.losses[2] == doctest::Approx(std::log(5)).epsilon(1e-6));
        CHECK(w.losses[3] == doctest::Approx(std::log(5)).epsilon(1e-6));
        CHECK(w.d_logits[0 * w.ld] == doctest::Approx(0));
        CHECK(w.d_logits[1 * w.ld] == doctest::Approx(1));
        CHECK(w.d_logits[1 * w.ld + 1] == doctest::Approx(-1));
        CHECK(w.d_logits[3 * w.ld + 1] == doctest::Approx(0.2));
    }
}

TEST_CASE_TEMPLATE("loss: a NaN among the logits is a NaN in the loss", T, float, double) {
    for (const Simd level : test::levels())
        for (const std::size_t place : {0U, 3U, 16U}) {
            Window<T> w(1, 1, 17, 1);
            w.logits[place] = std::numeric_limits<T>::quiet_NaN();
            w.run(level, 1);
            CHECK(std::isnan(w.losses[0]));
        }
}

TEST_CASE("loss: masked targets have neither loss nor gradient, and what stands there does not matter") {
    for (const Simd level : test::levels()) {
        Window<float> w(3, 2, 7, 2), all = w;
        w.valid = {3, 1};
        w.targets[1 * 2 + 1] = w.targets[2 * 2 + 1] = 1'000'000;
        for (auto& x : w.d_logits) x = 9;
        w.run(level, 1, 2);
        all.run(level, 1);
        for (std::size_t r = 0; r < 6; ++r) {
            const bool masked = r == 3 || r == 5;
            CHECK(w.losses[r] == (masked ? 0 : all.losses[r]));
            for (std::size_t j = 0; j < 7; ++j)
                CHECK(w.d_logits[r * w.ld + j] == (masked ? 0 : all.d_logits[r * w.ld + j]));
        }
    }
}

TEST_CASE("loss: the gradient may take the logits' place, and losses alone need no room") {
    Window<float> w(2, 2, 21, 3), in_place = w, alone = w;
    w.run(simd::level(), 1);
    simd::dispatch(simd::level(), detail::CrossEntropyRows<float>{{in_place.logits.data(), 4, 21, w.ld},
                                                                  {in_place.logits.data(), 4, 21, w.ld},
                                                                  w.targets.data(),
                                                                  nullptr,
                                                                  2,
                                                                  2,
                                                                  {0, 2, 0},
                                                                  1,
                                                                  in_place.losses.data()});
    alone.run(simd::level(), 0, 1, false);
    CHECK(in_place.losses == w.losses);
    CHECK(alone.losses == w.losses);
    for (std::size_t r = 0; r < 4; ++r)
        for (std::size_t j = 0; j < 21; ++j) CHECK(in_place.logits[r * w.ld + j] == w.d_logits[r * w.ld + j]);
}

TEST_CASE_TEMPLATE("loss: cross_entropy is the mean over the rows, of logits and of probabilities", T, float,
                   double) {
    Window<T> w(3, 4, 9, 5);
    Matrix<T> logits({12, 9});
    for (std::size_t r = 0; r < 12; ++r) std::copy_n(&w.logits[r * w.ld], 9, &logits(r, 0));
    double want = 0;
    for (std::size_t r = 0; r < 12; ++r)
        want -= static_cast<double>(std::log(w.softmax(r)[w.targets[r]])) / 12;
    const double tolerance = sizeof(T) == 4 ? 1e-6 : 1e-13;
    CHECK(cross_entropy(logits, w.targets) == doctest::Approx(want).epsilon(tolerance));
    CHECK(cross_entropy_probabilities(softmax_rows(logits), w.targets) ==
          doctest::Approx(want).epsilon(tolerance));
}

TEST_CASE("loss: cross_entropy is stable, and impossible targets cost much but not all") {
    const Matrix<double> extreme{{1e4, -1e4}, {1e300, 1e300}};
    CHECK(cross_entropy(extreme, TargetIds{1, 0}) == doctest::Approx((2e4 + std::log(2)) / 2));
    const Matrix<double> p = softmax_rows(extreme);
    CHECK(p(0, 0) == 1);
    CHECK(p(1, 1) == 0.5);
    CHECK(std::isfinite(cross_entropy_probabilities(p, TargetIds{1, 0})));
    CHECK(cross_entropy(Matrix<float>{{0, 0, 0, 0}}, TargetIds{2}) == doctest::Approx(std::log(4)));
}

TEST_CASE("loss: targets that do not fit are named") {
    const Matrix<float> x({2, 3});
    CHECK_THROWS_WITH_AS(cross_entropy(x, TargetIds{0}), "cross_entropy: 1 targets, expected 2, one a row",
                         shape_error);
    CHECK_THROWS_WITH_AS(cross_entropy(x, TargetIds{0, 3}),
                         "cross_entropy: target 3 in row 1, expected less than V = 3", shape_error);
    CHECK_THROWS_AS(cross_entropy_probabilities(x, TargetIds{7, 0}), shape_error);
    CHECK_THROWS_WITH_AS(cross_entropy(Matrix<float>({0, 3}), TargetIds{}),
                         "cross_entropy: no rows, expected at least one", shape_error);
}

}  // namespace loss_test
