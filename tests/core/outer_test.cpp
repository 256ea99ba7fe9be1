#include <charrnn/core/outer.hpp>

#include <doctest/doctest.h>

#include <algorithm>
#include <cmath>
#include <tuple>

#include <charrnn/core/blas.hpp>
#include "arrays.hpp"
#include "levels.hpp"

namespace outer_test {

using namespace charrnn;
using namespace charrnn::test;

namespace {

/// The worst |got - want| of C = A^T B and the column sums over a bound of the rounding error.
template <class T>
double worst_outer(Simd level, std::size_t r, std::size_t m, std::size_t n) {
    const Array<T> a(r, m, 1), b(r, n, 2);
    Array<T> c(m, n, 3), sums(1, n, 4);
    matmul_outer<T, 1>(level, {{{a.read(), c.view()}}}, b.read(), sums.data.data());
    double worst = 0;
    for (std::size_t i = 0; i <= m; ++i)  // row m: the sums
        for (std::size_t j = 0; j < n; ++j) {
            double want = 0, size = 0;
            for (std::size_t p = 0; p < r; ++p) {
                const double term = (i < m ? static_cast<double>(a(p, i)) : 1) * b(p, j);
                want += term;
                size += std::abs(term);
            }
            const double got = i < m ? c(i, j) : sums(0, j);
            const double bound = static_cast<double>(r + 2) * tolerance<T> * size;
            worst = std::max(worst, std::abs(got - want) / (bound + 1e-300));
        }
    return worst;
}

}  // namespace

TEST_CASE_TEMPLATE("matmul_outer: agrees with a naive loop at all sizes, column sums too", T, float, double) {
    for (const Simd level : test::levels()) {
        CAPTURE(name(level));
        for (std::size_t n = 1; n <= 40; ++n)
            for (const std::size_t m : {1U, 5U, 6U, 7U, 13U, 40U}) CHECK(worst_outer<T>(level, n, m, n) < 1);
        for (const std::size_t n : {64U, 65U, 129U, 200U}) CHECK(worst_outer<T>(level, 19, 17, n) < 1);
        // Up to four panels of columns A itself is read, beyond that a copy.
        for (std::size_t m = 1; m <= 33; ++m)
            for (const std::size_t n : {17U, 270U}) CHECK(worst_outer<T>(level, 3, m, n) < 1);
        for (const std::size_t n : {255U, 256U, 257U, 300U}) CHECK(worst_outer<T>(level, 70, 128, n) < 1);
        for (const std::size_t r : {63U, 64U, 65U, 127U, 128U, 129U, 257U, 1000U, 3000U})
            CHECK(worst_outer<T>(level, r, 7, 35) < 1);
        // Many tiles in a panel.
        for (const std::size_t m : {255U, 256U, 515U}) CHECK(worst_outer<T>(level, 103, m, 75) < 1);
    }
}

TEST_CASE_TEMPLATE("matmul_outer: two terms are two products, bit for bit", T, float, double) {
    for (const Simd level : test::levels())
        // The last: one after the other.
        for (const auto& size : {std::tuple{1U, 9U, 14U},
                                 {15U, 9U, 14U},
                                 {16U, 9U, 14U},
                                 {97U, 9U, 14U},
                                 {200U, 9U, 14U},
                                 {100U, 150U, 151U},
                                 {100U, 300U, 220U}}) {
            const std::size_t r = std::get<0>(size), m = std::get<1>(size), k = std::get<2>(size);
            CAPTURE(name(level));
            CAPTURE(r);
            CAPTURE(m);
            const Array<T> a(r, m, 1), x(r, k, 2), b(r, 75, 3);
            Array<T> c(m, 75, 4), d(k, 75, 5), alone(m, 75, 6), other(k, 75, 7), sums(1, 75, 8),
                one(1, 75, 9);
            matmul_outer<T, 2>(level, {{{a.read(), c.view()}, {x.read(), d.view()}}}, b.read(),
                               sums.data.data());
            matmul_outer<T, 1>(level, {{{a.read(), alone.view()}}}, b.read(), one.data.data());
            matmul_outer<T, 1>(level, {{{x.read(), other.view()}}}, b.read());
            CHECK(same_bits(c, alone));
            CHECK(same_bits(d, other));
            CHECK(same_bits(sums, one));
        }
}

TEST_CASE_TEMPLATE("matmul_outer: the wanted columns are those of the whole product, bit for bit", T, float,
                   double) {
    for (const Simd level : test::levels())
        for (const Stripes& stripes : {Stripes{0, 3, 4}, {1, 3, 4}, {3, 1, 4}, {1, 2, 3}})
            for (const std::size_t m : {13U, 260U}) {
                CAPTURE(name(level));
                CAPTURE(stripes.first);
                CAPTURE(stripes.period);
                const std::size_t unit = simd::width(level) / sizeof(T);
                const Array<T> a(100, m, 1), b(100, 3 * stripes.period * unit, 2);
                Array<T> some(m, b.cols, 3), whole(m, b.cols, 4), sums(1, b.cols, 5),
                    whole_sums(1, b.cols, 6);
                matmul_outer<T, 1>(level, {{{a.read(), some.view(), stripes}}}, b.read(), sums.data.data());
                matmul_outer<T, 1>(level, {{{a.read(), whole.view()}}}, b.read(), whole_sums.data.data());
                CHECK(same_bits(sums, whole_sums));
                std::size_t different = 0;
                for (std::size_t v = 0; v < 3 * stripes.count; ++v)
                    for (std::size_t i = 0; i < m; ++i)
                        for (std::size_t j = stripes(v) * unit; j < (stripes(v) + 1) * unit; ++j)
                            different += some(i, j) != whole(i, j) ? 1 : 0;
                CHECK(different == 0);
            }
}

TEST_CASE_TEMPLATE("matmul_outer: what lies behind C and its spare rows is left alone", T, float, double) {
    static_assert(Array<T>::spare_rows == outer_spare_rows + 1);
    for (const Simd level : test::levels())
        for (std::size_t m = 1; m <= 25; ++m) {
            CAPTURE(name(level));
            CAPTURE(m);
            const Array<T> a(70, m, 1), b(70, 20, 2);
            Array<T> c(m, 20, 3);
            const Array<T> before = c;
            matmul_outer<T, 1>(level, {{{a.read(), c.view()}}}, b.read());
            for (std::size_t j = 0; j < c.ld; ++j)
                CHECK(c(m + outer_spare_rows, j) == before(m + outer_spare_rows, j));
        }
}

TEST_CASE("matmul_outer: no rows give zero") {
    for (const Simd level : test::levels()) {
        const Array<float> a(1, 3, 1), b(0, 5, 2);
        Array<float> c(3, 5, 4);
        matmul_outer<float, 1>(level, {{{View<const float>(a.data.data(), 0, 3, a.ld), c.view()}}}, b.read());
        CHECK(c(2, 4) == 0);
    }
}

// The claim that results do not depend on threads rests on this one, too.

TEST_CASE_TEMPLATE("matmul_outer: the union of the parts is the whole, bit for bit", T, float, double) {
    for (const Simd level : test::levels())
        for (const std::size_t n : {1U, 16U, 33U, 70U, 200U}) {
            const std::size_t m = n == 70 ? 260 : 7;  // of many tiles, too
            const Array<T> a(300, m, 1), b(300, n, 2);
            Array<T> whole(m, n, 3), whole_sums(1, n, 4);
            matmul_outer<T, 1>(level, {{{a.read(), whole.view()}}}, b.read(), whole_sums.data.data());
            for (std::size_t parts = 2; parts < 6; ++parts) {
                Array<T> c(m, n, 5), sums(1, n, 6);
                for (std::size_t p = 0; p < parts; ++p)
                    matmul_outer<T, 1>(level, {{{a.read(), c.view()}}}, b.read(), sums.data.data(),
                                       {p, parts});
                CHECK(same_bits(c, whole));
                CHECK(same_bits(sums, whole_sums));
            }
        }
}

TEST_CASE("matmul_outer: agrees with OpenBLAS to rounding") {
    constexpr std::size_t m = 50, k = 128, n = 517;
    const Array<float> a(m, k, 1), g(m, n, 3);
    Array<float> d(k, n, 6), want(k, n, 7);
    product_at_b(a.read(), g.read(), want.view());
    for (const Simd level : test::levels()) {
        matmul_outer<float, 1>(level, {{{a.read(), d.view()}}}, g.read());
        float worst = 0;
        for (std::size_t r = 0; r < k; ++r)
            for (std::size_t j = 0; j < n; ++j) worst = std::max(worst, std::abs(d(r, j) - want(r, j)));
        CHECK(worst < 2e-5F);
    }
}

}  // namespace outer_test
