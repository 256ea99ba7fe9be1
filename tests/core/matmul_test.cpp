#include <charrnn/core/matmul.hpp>

#include <doctest/doctest.h>

#include <algorithm>
#include <cmath>
#include <cstring>
#include <vector>

#include <charrnn/core/blas.hpp>
#include "arrays.hpp"
#include "levels.hpp"

namespace matmul_test {

using namespace charrnn;
using namespace charrnn::test;

namespace {

template <class T>
PackedMatrix<T> pack(Simd level, View<const T> b) {
    PackedMatrix<T> packed(level, b.rows, plain_columns(b.cols, simd::width(level) / sizeof(T)),
                           matmul_panel(level));
    packed.pack(b);
    return packed;
}

template <class T>
Rows<const T> all_rows(const Array<T>& a) {
    return {a.data.data(), a.ld, a.rows, 1, 0};
}
template <class T>
Rows<T> all_rows(Array<T>& a) {
    return {a.data.data(), a.ld, a.rows, 1, 0};
}
template <class T>
Rows<const T> read_rows(const Array<T>& a) {
    return all_rows(a);
}

/// The worst |got - want| over a bound of the rounding error, (K + 2) eps * (sum of |products|).
template <class T>
double worst_matmul(Simd level, std::size_t m, std::size_t k, std::size_t n, bool with_bias,
                    bool accumulate) {
    const Array<T> a(m, k, 1), b(k, n, 2), bias(1, n, 3);
    Array<T> c(m, n, 4);
    const Array<T> before = c;
    matmul<T>(read_rows(a), pack(level, b.read()), all_rows(c), with_bias ? bias.data.data() : nullptr,
              accumulate);
    double worst = 0;
    for (std::size_t i = 0; i < m; ++i)
        for (std::size_t j = 0; j < n; ++j) {
            double want = accumulate ? before(i, j) : with_bias ? bias(0, j) : 0;
            double size = std::abs(want);
            for (std::size_t p = 0; p < k; ++p) {
                want += static_cast<double>(a(i, p)) * b(p, j);
                size += std::abs(static_cast<double>(a(i, p)) * b(p, j));
            }
            const double bound = static_cast<double>(k + 2) * tolerance<T> * size;
            worst = std::max(worst, std::abs(c(i, j) - want) / (bound + 1e-300));
        }
    return worst;
}

}  // namespace

TEST_CASE_TEMPLATE("matmul: agrees with a naive loop at all sizes", T, float, double) {
    for (const Simd level : test::levels()) {
        CAPTURE(name(level));
        for (std::size_t m : {1U, 2U, 5U, 6U, 7U, 12U, 13U, 25U})
            for (std::size_t n = 1; n <= 40; ++n) {
                CAPTURE(m);
                CAPTURE(n);
                CHECK(worst_matmul<T>(level, m, 1 + (m * n) % 40, n, n % 2 == 0, false) < 1);
                CHECK(worst_matmul<T>(level, m, 1 + n, n, false, true) < 1);
            }
        for (const std::size_t n : {63U, 64U, 65U, 127U, 129U, 200U})
            CHECK(worst_matmul<T>(level, 7, 33, n, true, false) < 1);
        // Deeper than the chunks that fit the cache, up to a chunk and a half, and beyond.
        for (const std::size_t k : {32U, 64U, 128U, 384U, 500U, 767U, 768U, 769U, 1000U, 1600U, 3000U}) {
            CAPTURE(k);
            CHECK(worst_matmul<T>(level, 7, k, 35, true, false) < 1);
            CHECK(worst_matmul<T>(level, 3, k, 17, false, true) < 1);
        }
    }
}

TEST_CASE("matmul: weights that are fetched ahead, since no cache holds them, are those that count") {
    for (const Simd level : test::levels()) {
        CHECK(worst_matmul<float>(level, 13, 700, 650, true, false) < 1);
        CHECK(worst_matmul<double>(level, 13, 300, 650, true, true) < 1);
    }
}

TEST_CASE_TEMPLATE("matmul: what stands behind a row's inner extent does not count", T, float, double) {
    for (const Simd level : test::levels())
        for (const std::size_t k : {1U, 15U, 17U, 33U, 49U}) {
            Array<T> a(5, k, 1);
            for (std::size_t i = 0; i < a.rows; ++i)
                for (std::size_t j = k; j < a.ld; ++j) a.data[i * a.ld + j] = static_cast<T>(NAN);
            const Array<T> b(k, 21, 2);
            Array<T> c(5, 21, 3);
            matmul<T>(read_rows(a), pack(level, b.read()), all_rows(c));
            for (std::size_t j = 0; j < 21; ++j) CHECK(std::isfinite(c(4, j)));
        }
}

TEST_CASE("matmul: the matrix unit's sums are nearer to the exact ones than those of vectors of floats") {
    if (simd::detect() < Simd::amx) return;
    for (const std::size_t k : {1U, 16U, 128U, 2500U}) {
        const Array<float> a(40, k, 1), b(k, 48, 2);
        const auto error = [&](Simd level) {  // the root of the mean square
            Array<float> c(40, 48, 3);
            matmul<float>(read_rows(a), pack(level, b.read()), all_rows(c));
            double sum = 0;
            for (std::size_t i = 0; i < c.rows; ++i)
                for (std::size_t j = 0; j < c.cols; ++j) {
                    double want = 0;
                    for (std::size_t p = 0; p < k; ++p) want += static_cast<double>(a(i, p)) * b(p, j);
                    sum += (c(i, j) - want) * (c(i, j) - want);
                }
            return std::sqrt(sum / static_cast<double>(c.rows * c.cols));
        };
        const double on_tiles = error(Simd::amx), in_vectors = error(Simd::avx512);
        MESSAGE("inner extent " << k << ": error " << on_tiles << ", of vectors " << in_vectors);
        CHECK(on_tiles < (k == 1 ? 1.1 : 0.7) * in_vectors);
    }
}

TEST_CASE("matmul: an empty inner extent gives the bias, or zero") {
    for (const Simd level : test::levels()) {
        const Array<float> a(3, 0, 1), b(0, 5, 2), bias(1, 5, 3);
        Array<float> c(3, 5, 4);
        matmul<float>(read_rows(a), pack(level, b.read()), all_rows(c), bias.data.data());
        for (std::size_t j = 0; j < 5; ++j) CHECK(c(2, j) == bias(0, j));
    }
}

// The claim that results do not depend on slices and threads rests on the next two.

TEST_CASE_TEMPLATE("matmul: bit-identical however the rows are grouped", T, float, double) {
    for (const Simd level : test::levels())
        for (const auto& [k, n] : {std::pair{37U, 35U}, {1000U, 70U}, {3U, 16U}}) {
            const std::size_t m = 25;
            const Array<T> a(m, k, 1), b(k, n, 2), bias(1, n, 3);
            const auto packed = pack(level, b.read());
            Array<T> whole(m, n, 4);
            matmul<T>(read_rows(a), packed, all_rows(whole), bias.data.data());
            for (std::size_t size = 1; size < m; ++size) {
                Array<T> c(m, n, 5);
                for (std::size_t r = 0; r < m; r += size)
                    matmul<T>({a.data.data() + r * a.ld, a.ld, std::min(size, m - r)}, packed,
                              {c.data.data() + r * c.ld, c.ld, std::min(size, m - r)}, bias.data.data());
                CAPTURE(size);
                CHECK(same_bits(c, whole));
            }
        }
}

TEST_CASE_TEMPLATE("matmul: groups of lanes over several steps give the bits of the whole window", T, float,
                   double) {
    constexpr std::size_t steps = 4, lanes = 11, k = 19, n = 37;
    for (const Simd level : test::levels()) {
        const Array<T> a(steps * lanes, k, 1), b(k, n, 2);
        const auto packed = pack(level, b.read());
        Array<T> whole(steps * lanes, n, 3);
        matmul<T>(read_rows(a), packed, all_rows(whole));
        for (std::size_t groups = 1; groups <= lanes + 1; ++groups) {  // one of them is empty at the end
            Array<T> c(steps * lanes, n, 4);
            for (std::size_t g = 0; g < groups; ++g) {
                const Lanes group = Lanes::of(lanes, g, groups);
                matmul<T>(Rows<const T>::of(a.data.data(), a.ld, lanes, group, 0, steps), packed,
                          Rows<T>::of(c.data.data(), c.ld, lanes, group, 0, steps));
            }
            CAPTURE(groups);
            CHECK(same_bits(c, whole));
        }
        Array<T> one(lanes, n, 5);  // a single step in the middle
        matmul<T>(Rows<const T>::of(a.data.data(), a.ld, lanes, {3, 5, 0}, 2), packed,
                  {one.data.data(), one.ld, 5});
        CHECK(std::memcmp(&one.data[0], &whole.data[(2 * lanes + 3) * whole.ld], n * sizeof(T)) == 0);
    }
}

TEST_CASE("matmul: the vector width changes no bits where every set has fused multiply-add") {
    // Not true of the baseline, which may have none.
    if (simd::detect() < Simd::avx512) return;
    const Array<float> a(9, 300, 1), b(300, 21, 2);
    Array<float> narrow(9, 21, 3), wide(9, 21, 4);
    matmul<float>(read_rows(a), pack(Simd::avx2, b.read()), all_rows(narrow));
    matmul<float>(read_rows(a), pack(Simd::avx512, b.read()), all_rows(wide));
    CHECK(same_bits(narrow, wide));
}

TEST_CASE_TEMPLATE("matmul: packing in parts is packing the whole", T, float, double) {
    for (const Simd level : test::levels())
        for (const std::size_t n : {5U, 33U, 100U}) {
            const Array<T> a(3, 13, 1), b(13, n, 2);
            Array<T> whole(3, n, 3), c(3, n, 4);
            matmul<T>(read_rows(a), pack(level, b.read()), all_rows(whole));
            PackedMatrix<T> packed(level, 13, plain_columns(n, simd::width(level) / sizeof(T)),
                                   matmul_panel(level));
            for (std::size_t p = 0; p < 4; ++p) packed.pack(b.read(), {p, 4});
            matmul<T>(read_rows(a), packed, all_rows(c));
            CHECK(same_bits(c, whole));
        }
}

TEST_CASE_TEMPLATE("matmul: columns in another order, and the transpose that undoes it", T, float, double) {
    // Two blocks of 5 columns, their vectors side by side, as a gated cell's; and a vector without a block.
    constexpr std::size_t width = 5, k = 9, m = 4;
    for (const Simd level : test::levels()) {
        const std::size_t unit = simd::width(level) / sizeof(T);
        std::vector<ColumnRun> order;
        for (std::size_t u = 0; u < width; u += unit) {
            order.push_back({width + u, std::min(unit, width - u)});
            order.push_back({});
            order.push_back({u, std::min(unit, width - u)});
        }
        const Array<T> a(m, k, 1), w(k, 2 * width, 2);
        PackedMatrix<T> packed(level, k, order, matmul_panel(level));
        packed.pack(w.read());
        CHECK(packed.vectors() == order.size());
        Array<T> y(m, order.size() * unit, 3);
        matmul<T>(read_rows(a), packed, all_rows(y));
        for (std::size_t v = 0; v < order.size(); ++v)
            for (std::size_t j = 0; j < unit; ++j) {
                double want = 0;
                if (j < order[v].count)
                    for (std::size_t p = 0; p < k; ++p)
                        want += static_cast<double>(a(1, p)) * w(p, order[v].first + j);
                CHECK(y(1, v * unit + j) == doctest::Approx(want).epsilon(1e-5));
            }
        // y W^T, with y in the other order: (m, k) again.
        PackedMatrix<T> back(level, order.size() * unit, plain_columns(k, unit), matmul_panel(level));
        for (std::size_t p = 0; p < 3; ++p) back.pack_transposed(w.read(), order, {p, 3});
        Array<T> x(m, k, 4);
        matmul<T>(read_rows(y), back, all_rows(x));
        for (std::size_t i = 0; i < m; ++i)
            for (std::size_t p = 0; p < k; ++p) {
                double want = 0;
                for (std::size_t v = 0; v < order.size(); ++v)
                    for (std::size_t j = 0; j < order[v].count; ++j)
                        want += static_cast<double>(y(i, v * unit + j)) * w(p, order[v].first + j);
                CHECK(x(i, p) == doctest::Approx(want).epsilon(1e-4));
            }
    }
}

TEST_CASE_TEMPLATE("matmul: a transposed matrix has as many rows as there are columns, filled vectors or not",
                   T, float, double) {
    constexpr std::size_t m = 7, n = 45;
    for (const Simd level : test::levels())
        for (std::size_t k = 1; k <= 37; ++k) {
            CAPTURE(name(level));
            CAPTURE(k);
            const std::size_t unit = simd::width(level) / sizeof(T);
            const Array<T> w(n, k, 5), y(m, k, 6);
            PackedMatrix<T> back(level, k, plain_columns(n, unit), matmul_panel(level));
            for (const std::size_t p : {2U, 0U, 1U})
                back.pack_transposed(w.read(), plain_columns(k, unit), {p, 3});
            Array<T> x(m, n, 7);
            matmul<T>(read_rows(y), back, all_rows(x));
            for (std::size_t i = 0; i < m; ++i)
                for (std::size_t j = 0; j < n; ++j) {
                    double want = 0;
                    for (std::size_t p = 0; p < k; ++p) want += static_cast<double>(y(i, p)) * w(j, p);
                    CHECK(x(i, j) == doctest::Approx(want).epsilon(1e-4));
                }
        }
}

TEST_CASE_TEMPLATE("matmul: meets some vectors of A's rows and makes some of C's", T, float, double) {
    constexpr std::size_t n = 21, k = 19, blocks = 9;
    struct Case {
        std::size_t m;
        Stripes stripes;
    };
    std::vector<Case> cases;
    for (const Stripes& stripes : {Stripes{0, 3, 4}, {1, 3, 4}, {1, 1, 3}, {0, 2, 3}, {0, 2, 2}})
        for (const std::size_t m : {1U, 7U}) cases.push_back({m, stripes});
    for (const Simd level : test::levels())
        for (const Case& which : cases) {
            const std::size_t m = which.m;
            const Stripes stripes = which.stripes;
            CAPTURE(name(level));
            CAPTURE(m);
            CAPTURE(stripes.first);
            CAPTURE(stripes.period);
            const std::size_t unit = simd::width(level) / sizeof(T), vectors = blocks * stripes.count;
            const auto place = [&](std::size_t i) { return stripes(i / unit) * unit + i % unit; };

            const Array<T> wide(m, blocks * stripes.period * unit, 1), b(vectors * unit, n, 2);
            PackedMatrix<T> from(level, b.rows, plain_columns(n, unit), matmul_panel(level), stripes);
            from.pack(b.read());
            Array<T> c(m, n, 3), dense(m, b.rows, 4), want(m, n, 5);
            for (std::size_t r = 0; r < m; ++r)
                for (std::size_t i = 0; i < b.rows; ++i) dense.view()(r, i) = wide(r, place(i));
            matmul<T>(read_rows(wide), from, all_rows(c));
            matmul<T>(read_rows(dense), pack(level, b.read()), all_rows(want));
            CHECK(same_bits(c, want));

            const Array<T> a(m, k, 6), d(k, vectors * unit, 7), bias(1, wide.cols, 8);
            PackedMatrix<T> to(level, k, plain_columns(d.cols, unit), matmul_panel(level), {}, stripes);
            to.pack(d.read());
            Array<T> y(m, wide.cols, 9), product(m, d.cols, 10), short_bias(1, d.cols, 11), expected = y;
            for (std::size_t j = 0; j < d.cols; ++j) short_bias.view()(0, j) = bias(0, place(j));
            matmul<T>(read_rows(a), to, all_rows(y), bias.data.data());
            matmul<T>(read_rows(a), pack(level, d.read()), all_rows(product), short_bias.data.data());
            for (std::size_t r = 0; r < m; ++r)
                for (std::size_t j = 0; j < d.cols; ++j) expected.view()(r, place(j)) = product(r, j);
            CHECK(same_bits(y, expected));  // what lies between is left alone
        }
}

TEST_CASE("matmul: agrees with OpenBLAS to rounding") {
    constexpr std::size_t m = 50, k = 128, n = 517;
    const Array<float> a(m, k, 1), b(k, n, 2);
    Array<float> want(m, n, 4), c(m, n, 5);
    product(a.read(), b.read(), want.view());
    const auto worst = [](const Array<float>& x, const Array<float>& y) {
        float w = 0;
        for (std::size_t r = 0; r < x.rows; ++r)
            for (std::size_t j = 0; j < x.cols; ++j) w = std::max(w, std::abs(x(r, j) - y(r, j)));
        return w;
    };
    for (const Simd level : test::levels()) {
        matmul<float>(read_rows(a), pack(level, b.read()), all_rows(c));
        CHECK(worst(c, want) < 2e-5F);
    }
}

}  // namespace matmul_test
