#include <charrnn/core/outer.hpp>

#include <doctest/doctest.h>

#include <algorithm>
#include <cmath>
#include <cstring>
#include <numeric>
#include <tuple>
#include <vector>

#include <charrnn/core/blas.hpp>
#include "arrays.hpp"
#include "levels.hpp"

namespace outer_test {

using namespace charrnn;
using namespace charrnn::test;

namespace {

/// The numbers 0 ... n - 1.
std::vector<std::uint32_t> all_rows(std::size_t n) {
    std::vector<std::uint32_t> rows(n);
    std::iota(rows.begin(), rows.end(), 0U);
    return rows;
}

/// C = A^T B for each A over some rows (all, if none are given), and the column sums, by parts.
template <class T>
struct Outer {
    std::vector<OuterSums<T>> c;
    Array<T> sums;

    Outer(Simd level, const std::vector<const Array<T>*>& a, const Array<T>& b,
          std::vector<std::uint32_t> rows, const Stripes& wanted = {}, std::size_t parts = 1)
        : sums(1, b.cols, 4) {
        const std::size_t vectors = tiles_of(b.cols, simd::width(level) / sizeof(T));
        const std::size_t panels = outer_panels(level, vectors);
        for (const Array<T>* each : a) c.emplace_back(level, each->cols, b.cols);
        for (std::size_t p = 0; p < parts; ++p) {
            const Range share =
                outer_share(level, vectors, {Part{p, parts}.begin(panels), Part{p, parts}.end(panels)});
            if (a.size() == 1)
                matmul_outer<T, 1>(level, {{{a[0]->read(), &c[0], wanted}}}, b.read(), rows, sums.data.data(),
                                   share);
            else
                matmul_outer<T, 2>(level, {{{a[0]->read(), &c[0], wanted}, {a[1]->read(), &c[1], wanted}}},
                                   b.read(), rows, sums.data.data(), share);
        }
    }
};

/// An element of C.
template <class T>
T element(const OuterSums<T>& c, Simd level, std::size_t i, std::size_t j) {
    const std::size_t unit = simd::width(level) / sizeof(T);
    return c.at(i, j / unit)[j % unit];
}

/// How many of the (m, n) elements differ in a bit.
template <class T>
std::size_t different(const OuterSums<T>& x, const OuterSums<T>& y, Simd level, std::size_t m,
                      std::size_t n) {
    std::size_t count = 0;
    for (std::size_t i = 0; i < m; ++i)
        for (std::size_t j = 0; j < n; ++j) {
            const T a = element(x, level, i, j), b = element(y, level, i, j);
            count += std::memcmp(&a, &b, sizeof a) != 0 ? 1 : 0;
        }
    return count;
}

/// The worst |got - want| of C = A^T B and the column sums over a bound of the rounding error.
template <class T>
double worst_outer(Simd level, const std::vector<std::uint32_t>& rows, std::size_t m, std::size_t n) {
    const std::size_t r = rows.empty() ? 1 : rows.back() + 1U;
    const Array<T> a(r, m, 1), b(r, n, 2);
    const Outer<T> got_all(level, {&a}, b, rows);
    double worst = 0;
    std::vector<double> want(n), size(n);
    for (std::size_t i = 0; i <= m; ++i) {  // row m: the sums
        std::fill(want.begin(), want.end(), 0.0);
        std::fill(size.begin(), size.end(), 0.0);
        // Pointers, since this is most of the time of a build with sanitizers, and not optimised there.
        double *const sums = want.data(), *const sizes = size.data();
        for (const std::uint32_t p : rows) {
            const double scalar = i < m ? static_cast<double>(a(p, i)) : 1;
            const T* const row = b.read().row(p);
            for (std::size_t j = 0; j < n; ++j) {
                const double term = scalar * row[j];
                sums[j] += term;
                sizes[j] += term < 0 ? -term : term;
            }
        }
        for (std::size_t j = 0; j < n; ++j) {
            const double got = i < m ? element(got_all.c[0], level, i, j) : got_all.sums(0, j);
            const double bound = static_cast<double>(rows.size() + 2) * tolerance<T> * size[j];
            worst = std::max(worst, std::abs(got - want[j]) / (bound + 1e-300));
        }
    }
    return worst;
}
template <class T>
double worst_outer(Simd level, std::size_t r, std::size_t m, std::size_t n) {
    return worst_outer<T>(level, all_rows(r), m, n);
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
        // Several chunks of rows, without and with a copy of A.
        for (const std::size_t r : {63U, 64U, 65U, 255U, 256U, 257U, 511U, 512U, 513U, 3000U})
            CHECK(worst_outer<T>(level, r, 7, 35) < 1);
        for (const std::size_t r : {256U, 257U, 600U}) CHECK(worst_outer<T>(level, r, 13, 270) < 1);
        // Many tiles in a panel.
        for (const std::size_t m : {255U, 256U, 515U}) CHECK(worst_outer<T>(level, 103, m, 75) < 1);
    }
}

TEST_CASE_TEMPLATE("matmul_outer: over some rows only, those of a group of lanes", T, float, double) {
    for (const Simd level : test::levels())
        for (const std::size_t lanes : {1U, 2U, 3U, 5U, 7U, 25U, 65U})
            for (const std::size_t n : {7U, 35U, 300U}) {
                CAPTURE(name(level));
                CAPTURE(lanes);
                std::vector<std::uint32_t> rows;
                for (std::size_t r = 0; r < 300; ++r)
                    rows.push_back(static_cast<std::uint32_t>(1 + r / lanes * (lanes + 2) + r % lanes));
                CHECK(worst_outer<T>(level, rows, 7, n) < 1);
                CHECK(worst_outer<T>(level, rows, 40, n) < 1);
            }
}

TEST_CASE_TEMPLATE("matmul_outer: rows apart give the bits of the same rows side by side", T, float, double) {
    for (const Simd level : test::levels())
        for (const std::size_t n : {35U, 300U}) {
            CAPTURE(name(level));
            const Array<T> a(700, 30, 1), b(700, n, 2);
            std::vector<std::uint32_t> rows;
            for (std::uint32_t r = 2; r < 700; r += r % 7 == 0 ? 3 : 1) rows.push_back(r);
            Array<T> a_some(rows.size(), 30, 3), b_some(rows.size(), n, 4);
            for (std::size_t r = 0; r < rows.size(); ++r) {
                std::copy_n(a.read().row(rows[r]), 30, a_some.view().row(r));
                std::copy_n(b.read().row(rows[r]), n, b_some.view().row(r));
            }
            const Outer<T> apart(level, {&a}, b, rows),
                beside(level, {&a_some}, b_some, all_rows(rows.size()));
            CHECK(different(apart.c[0], beside.c[0], level, 30, n) == 0);
            CHECK(same_bits(apart.sums, beside.sums));
        }
}

TEST_CASE_TEMPLATE("matmul_outer: two terms are two products, bit for bit", T, float, double) {
    for (const Simd level : test::levels())
        // The last: one after the other.
        for (const auto& size : {std::tuple{1U, 9U, 14U},
                                 {15U, 9U, 14U},
                                 {16U, 9U, 14U},
                                 {97U, 9U, 14U},
                                 {300U, 9U, 14U},
                                 {100U, 150U, 151U},
                                 {100U, 300U, 220U}}) {
            const std::size_t r = std::get<0>(size), m = std::get<1>(size), k = std::get<2>(size);
            CAPTURE(name(level));
            CAPTURE(r);
            CAPTURE(m);
            const Array<T> a(r, m, 1), x(r, k, 2), b(r, 75, 3);
            const Outer<T> both(level, {&a, &x}, b, all_rows(r)), one(level, {&a}, b, all_rows(r)),
                other(level, {&x}, b, all_rows(r));
            CHECK(different(both.c[0], one.c[0], level, m, 75) == 0);
            CHECK(different(both.c[1], other.c[0], level, k, 75) == 0);
            CHECK(same_bits(both.sums, one.sums));
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
                const Array<T> a(300, m, 1), b(300, 3 * stripes.period * unit, 2);
                const Outer<T> whole(level, {&a}, b, all_rows(300));
                for (std::size_t parts = 1; parts < 4; ++parts) {
                    CAPTURE(parts);
                    const Outer<T> some(level, {&a}, b, all_rows(300), stripes, parts);
                    CHECK(same_bits(some.sums, whole.sums));
                    std::size_t wrong = 0;
                    for (std::size_t v = 0; v < 3 * stripes.count; ++v)
                        for (std::size_t i = 0; i < m; ++i)
                            wrong += std::memcmp(some.c[0].at(i, stripes(v)), whole.c[0].at(i, stripes(v)),
                                                 unit * sizeof(T)) != 0
                                         ? 1
                                         : 0;
                    CHECK(wrong == 0);
                }
            }
}

TEST_CASE("Stripes: before counts those that stand before a vector") {
    for (const Stripes& stripes : {Stripes{}, {0, 3, 4}, {1, 3, 4}, {3, 1, 4}, {1, 2, 3}, {1, 1, 3}})
        for (std::size_t v = 0; v < 12; ++v) {
            std::size_t count = 0;
            while (stripes(count) < v) ++count;
            CAPTURE(stripes.first);
            CAPTURE(v);
            CHECK(stripes.before(v) == count);
        }
}

TEST_CASE("matmul_outer: two terms may want other columns, which stand in other panels") {
    for (const Simd level : test::levels()) {
        const std::size_t unit = simd::width(level) / sizeof(float), vectors = 20;
        const Array<float> a(70, 13, 1), x(70, 20, 2), b(70, vectors * unit, 3);
        const std::array<Stripes, 2> wanted{{{0, 3, 4}, {1, 3, 4}}};
        const Outer<float> whole(level, {&a, &x}, b, all_rows(70));
        std::vector<OuterSums<float>> c;
        c.emplace_back(level, 13, b.cols);
        c.emplace_back(level, 20, b.cols);
        matmul_outer<float, 2>(level, {{{a.read(), &c[0], wanted[0]}, {x.read(), &c[1], wanted[1]}}},
                               b.read(), all_rows(70), nullptr, {0, vectors});
        std::size_t wrong = 0;
        for (std::size_t t = 0; t < 2; ++t)
            for (std::size_t i = 0; i < c[t].rows(); ++i)
                for (std::size_t v = 0; v < wanted[t].before(vectors); ++v)
                    wrong += std::memcmp(c[t].at(i, wanted[t](v)), whole.c[t].at(i, wanted[t](v)),
                                         unit * sizeof(float)) != 0
                                 ? 1
                                 : 0;
        CHECK(wrong == 0);
    }
}

TEST_CASE("matmul_outer: no rows give zero") {
    for (const Simd level : test::levels()) {
        const Array<float> a(1, 3, 1), b(1, 5, 2);
        const Outer<float> none(level, {&a}, b, {});
        CHECK(element(none.c[0], level, 2, 4) == 0);
        CHECK(none.sums(0, 4) == 0);
    }
}

// The claim that results do not depend on threads rests on this one, too.

TEST_CASE_TEMPLATE("matmul_outer: the union of the parts is the whole, bit for bit", T, float, double) {
    for (const Simd level : test::levels())
        for (const std::size_t n : {1U, 16U, 33U, 70U, 200U}) {
            const std::size_t m = n == 70 ? 260 : 7;  // of many tiles, too
            const Array<T> a(300, m, 1), b(300, n, 2);
            const Outer<T> whole(level, {&a}, b, all_rows(300));
            for (std::size_t parts = 2; parts < 6; ++parts) {
                const Outer<T> shared(level, {&a}, b, all_rows(300), {}, parts);
                CHECK(different(shared.c[0], whole.c[0], level, m, n) == 0);
                CHECK(same_bits(shared.sums, whole.sums));
            }
        }
}

TEST_CASE("matmul_outer: agrees with OpenBLAS to rounding") {
    constexpr std::size_t m = 50, k = 128, n = 517;
    const Array<float> a(m, k, 1), g(m, n, 3);
    Array<float> want(k, n, 7);
    product_at_b(a.read(), g.read(), want.view());
    for (const Simd level : test::levels()) {
        const Outer<float> d(level, {&a}, g, all_rows(m));
        float worst = 0;
        for (std::size_t r = 0; r < k; ++r)
            for (std::size_t j = 0; j < n; ++j)
                worst = std::max(worst, std::abs(element(d.c[0], level, r, j) - want(r, j)));
        CHECK(worst < 2e-5F);
    }
}

}  // namespace outer_test
