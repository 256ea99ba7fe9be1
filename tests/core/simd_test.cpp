#include <charrnn/core/simd.hpp>

#include <doctest/doctest.h>

#include <algorithm>
#include <array>
#include <cmath>
#include <limits>

#include <charrnn/core/packed_matrix.hpp>
#include "levels.hpp"

namespace simd_test {

using namespace charrnn;

namespace {

/// What the operations of a vector give for vectors filled with a and b, and the sum of the vector 1, 2, 4, ...
template <class T>
struct Operations {
    T a, b;
    T* min_of;
    T* max_of;
    T* positive;
    T* sum_of;
    std::size_t* size;

    template <class Isa>
    CHARRNN_INLINE void operator()(Isa) const {
        using V = typename Isa::template pack<T>;
        const V x = V::all(a);
        const V y = V::all(b);
        *min_of = min(x, y).v[V::size - 1];
        *max_of = max(x, y).v[V::size - 1];
        *positive = where_positive(x, V::all(T(1)), V::all(T(2))).v[0];
        V s = V::all(T(1));
        for (std::size_t i = 1; i < V::size; ++i) s.v[i] = T(2) * s.v[i - 1];
        *sum_of = sum(s);
        *size = V::size;
    }
};

template <class T>
struct Found {
    T min_of, max_of, positive, sum_of;
    std::size_t size;
};
template <class T>
Found<T> run(Simd level, T a, T b) {
    Found<T> f{};
    simd::dispatch(level, Operations<T>{a, b, &f.min_of, &f.max_of, &f.positive, &f.sum_of, &f.size});
    return f;
}

/// The sum of a vector in which the order of adding shows.
struct OrderedSum {
    float* result;
    template <class Isa>
    CHARRNN_INLINE void operator()(Isa) const {
        using V = typename Isa::template pack<float>;
        V s = V::all(0);
        s.v[0] = 1e8F;
        s.v[1] = 1;
        s.v[2] = -1e8F;
        s.v[3] = 1;
        *result = sum(s);
    }
};

}  // namespace

TEST_CASE_TEMPLATE("simd: smaller, larger, positive; a NaN in the first place stays", T, float, double) {
    const T nan = std::numeric_limits<T>::quiet_NaN();
    for (const Simd level : test::levels()) {
        CAPTURE(name(level));
        CHECK(run<T>(level, 1, 2).min_of == 1);
        CHECK(run<T>(level, 2, 1).min_of == 1);
        CHECK(run<T>(level, 1, 2).max_of == 2);
        CHECK(run<T>(level, 2, 1).max_of == 2);
        CHECK(std::isnan(run<T>(level, nan, 1).min_of));
        CHECK(std::isnan(run<T>(level, nan, 1).max_of));
        CHECK(run<T>(level, 1, nan).min_of == 1);
        CHECK(run<T>(level, 1, nan).max_of == 1);
        CHECK(run<T>(level, T(0.5), 0).positive == 1);
        CHECK(run<T>(level, 0, 0).positive == 2);
        CHECK(run<T>(level, -1, 0).positive == 2);
        CHECK(run<T>(level, nan, 0).positive == 2);
    }
}

TEST_CASE_TEMPLATE("simd: a vector has its instruction set's width", T, float, double) {
    for (const Simd level : test::levels()) {
        const Found<T> f = run<T>(level, 0, 0);
        CHECK(f.size == simd::width(level) / sizeof(T));
        CHECK(f.sum_of == std::ldexp(T(1), static_cast<int>(f.size)) - 1);
    }
}

TEST_CASE("simd: a sum adds from the first element to the last") {
    for (const Simd level : test::levels()) {
        float s = 0;
        simd::dispatch(level, OrderedSum{&s});
        CHECK(s == 1);  // ((1e8 + 1) - 1e8) + 1: the first 1 is lost
    }
}

TEST_CASE("simd: the level in use is one that the processor has") {
    CHECK(simd::level() <= simd::detect());
    {
        const test::UseLevel use(Simd::baseline);
        CHECK(simd::level() == Simd::baseline);
    }
    CHECK(name(Simd::avx512) == "AVX-512");
}

TEST_CASE("simd: what the environment asks for is an instruction set, or an error") {
    CHECK(simd::asked_for("sse2") == Simd::baseline);
    CHECK(simd::asked_for("avx2") == Simd::avx2);
    CHECK(simd::asked_for("avx512") == Simd::avx512);
    CHECK(simd::asked_for("amx") == Simd::amx);
    CHECK_THROWS_WITH_AS(simd::asked_for("avx-512"),
                         "CHARRNN_SIMD is 'avx-512', expected sse2, avx2, avx512 or amx", value_error);
    for (const Simd limit : {Simd::baseline, Simd::avx2, Simd::avx512})
        CHECK(simd::detect(limit) == std::min(limit, simd::detect()));
}

TEST_CASE("simd: instruction sets have the names that people write") {
    CHECK(name(Simd::amx) == "AVX-512 and AMX");
    CHECK(name(Simd::avx512) == "AVX-512");
    CHECK(name(Simd::avx2) == "AVX2");
#if defined(__x86_64__)
    CHECK(name(Simd::baseline) == "SSE2");
#endif
}

TEST_CASE("simd: the matrix unit is for training on a strip of lanes or more, in float") {
    if (simd::detect() < Simd::amx) return;
    const test::UseLevel use(Simd::amx);
    const auto level = [](std::size_t lanes, bool backward) {
        return product_level<float>({.extent = {1, lanes}, .backward = backward});
    };
    CHECK(level(16, true) == Simd::amx);
    CHECK(level(15, true) == Simd::avx512);
    CHECK(level(16, false) == Simd::avx512);
    CHECK(product_level<double>({.extent = {1, 16}, .backward = true}) == Simd::avx512);
}

}  // namespace simd_test
