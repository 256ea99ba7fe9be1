#include <charrnn/core/vecmath.hpp>

#include <doctest/doctest.h>

#include <cmath>
#include <limits>
#include <vector>

#include <charrnn/core/simd.hpp>
#include "levels.hpp"

namespace vecmath_test {

using namespace charrnn;

namespace {

enum class Function { exp, sigmoid, tanh, sqrt };

template <class T>
struct Apply {
    Function f;
    const T* x;
    T* y;
    std::size_t n;

    template <class Isa>
    CHARRNN_INLINE void operator()(Isa) const {
        using V = typename Isa::template pack<T>;
        for (std::size_t i = 0; i < n; i += V::size) {
            const V v = V::load(x + i);
            (f == Function::exp       ? simd::exp(v)
             : f == Function::sigmoid ? simd::sigmoid(v)
             : f == Function::tanh    ? simd::tanh(v)
                                      : simd::sqrt(v))
                .store(y + i);
        }
    }
};

template <class T>
std::vector<T> apply(Simd level, Function f, std::vector<T> x) {
    const std::size_t n = x.size();
    x.resize(n + 16);
    std::vector<T> y(x.size());
    simd::dispatch(level, Apply<T>{f, x.data(), y.data(), n});
    y.resize(n);
    return y;
}

long double exact(Function f, long double x) {
    return f == Function::exp       ? std::exp(x)
           : f == Function::sigmoid ? 1 / (1 + std::exp(-x))
           : f == Function::tanh    ? std::tanh(x)
                                    : std::sqrt(x);
}

/// The largest error in units in the last place of the exact value.
template <class T>
double worst_ulps(Simd level, Function f, const std::vector<T>& x) {
    const std::vector<T> y = apply(level, f, x);
    double worst = 0;
    for (std::size_t i = 0; i < x.size(); ++i) {
        const long double want = exact(f, x[i]);
        const T near = std::max(std::abs(static_cast<T>(want)), std::numeric_limits<T>::min());
        const T ulp = std::nextafter(near, std::numeric_limits<T>::infinity()) - near;
        worst = std::max(worst, static_cast<double>(std::abs(y[i] - want) / ulp));
    }
    return worst;
}

template <class T>
std::vector<T> evenly(T low, T high, std::size_t n) {
    std::vector<T> x;
    for (std::size_t i = 0; i < n; ++i)
        x.push_back(low + (high - low) * static_cast<T>(i) / static_cast<T>(n - 1));
    return x;
}

/// Both signs, all magnitudes from 1e-30 to `most`.
template <class T>
std::vector<T> magnitudes(T most) {
    std::vector<T> x{T(0)};
    for (T m = T(1e-30); m < most; m *= T(1.01)) x.push_back(m), x.push_back(-m);
    return x;
}

}  // namespace

TEST_CASE_TEMPLATE("vecmath: within a few units in the last place", T, float, double) {
    const T edge = sizeof(T) == 4 ? T(87) : T(708);
    for (const Simd level : test::levels()) {
        CAPTURE(name(level));
        CHECK(worst_ulps(level, Function::exp, evenly<T>(-edge, edge, 200'003)) <= 2);
        CHECK(worst_ulps(level, Function::exp, magnitudes<T>(edge)) <= 2);
        CHECK(worst_ulps(level, Function::sigmoid, evenly<T>(-edge, edge, 200'003)) <= 3);
        CHECK(worst_ulps(level, Function::sigmoid, magnitudes<T>(edge)) <= 3);
        CHECK(worst_ulps(level, Function::tanh, evenly<T>(-25, 25, 200'003)) <= 3);
        CHECK(worst_ulps(level, Function::tanh, magnitudes<T>(100)) <= 3);
        std::vector<T> positive = magnitudes<T>(std::numeric_limits<T>::max() / 2);
        for (T& x : positive) x = std::abs(x);
        CHECK(worst_ulps(level, Function::sqrt, positive) <= 1);
    }
}

TEST_CASE_TEMPLATE("vecmath: infinities, huge numbers and NaN", T, float, double) {
    const T inf = std::numeric_limits<T>::infinity();
    const T huge = std::numeric_limits<T>::max();
    const T nan = std::numeric_limits<T>::quiet_NaN();
    const std::vector<T> x{-inf, -huge, huge, inf, nan, T(0), -T(0)};
    for (const Simd level : test::levels()) {
        CAPTURE(name(level));
        const std::vector<T> e = apply(level, Function::exp, x);
        CHECK(e[0] == e[1]);  // the value at the edge
        CHECK(e[0] > 0);
        CHECK(e[0] < (sizeof(T) == 4 ? T(2e-38) : T(4e-308)));
        CHECK(e[2] == e[3]);
        CHECK(std::isfinite(e[3]));
        CHECK(e[3] > (sizeof(T) == 4 ? T(1e38) : T(8e307)));
        CHECK(std::isnan(e[4]));
        CHECK(e[5] == 1);
        CHECK(e[6] == 1);
        const std::vector<T> s = apply(level, Function::sigmoid, x);
        CHECK(s[0] < T(1e-37));
        CHECK(s[0] >= 0);
        CHECK(s[3] == 1);
        CHECK(std::isnan(s[4]));
        CHECK(s[5] == T(0.5));
        const std::vector<T> t = apply(level, Function::tanh, x);
        CHECK(t[0] == -1);
        CHECK(t[1] == -1);
        CHECK(t[2] == 1);
        CHECK(t[3] == 1);
        CHECK(std::isnan(t[4]));
        CHECK(t[5] == 0);
        const std::vector<T> r = apply(level, Function::sqrt, x);
        CHECK(r[2] == doctest::Approx(std::sqrt(huge)));
        CHECK(r[3] == inf);
        CHECK(std::isnan(r[4]));
        CHECK(r[5] == 0);
    }
}

TEST_CASE_TEMPLATE("vecmath: an element does not depend on its place in the vector", T, float, double) {
    for (const Simd level : test::levels())
        for (const Function f : {Function::exp, Function::sigmoid, Function::tanh}) {
            const std::vector<T> x = evenly<T>(-5, 5, 37);
            const std::vector<T> y = apply(level, f, x);
            for (std::size_t i = 0; i < x.size(); ++i)
                CHECK(apply(level, f, std::vector<T>{x[i]}).front() == y[i]);
        }
}

}  // namespace vecmath_test
