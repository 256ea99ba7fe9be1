#include <charrnn/core/turn.hpp>

#include <doctest/doctest.h>

#include <cstddef>
#include <numeric>
#include <vector>

#include "levels.hpp"

namespace turn_test {

using namespace charrnn;

namespace {

/// As many rows as a vector has elements, of which the first `rows` and their first `count` elements are there, turned.
template <class T>
struct Turn {
    const T* from;
    T* to;
    std::size_t rows, count;

    template <class Isa>
    CHARRNN_INLINE void operator()(Isa) const {
        using V = typename Isa::template pack<T>;
        V x[V::size];
        for (std::size_t i = 0; i < V::size; ++i)
            simd::load_some(from + i * V::size, i < rows ? count : 0, x[i]);
        simd::turn(x);
        for (std::size_t i = 0; i < V::size; ++i) x[i].store(to + i * V::size);
    }
};

}  // namespace

TEST_CASE_TEMPLATE("turn: rows become columns, and what is not there zeros", T, float, double) {
    for (const Simd level : test::levels()) {
        CAPTURE(name(level));
        const std::size_t n = simd::width(level) / sizeof(T);
        std::vector<T> from(n * n), to(n * n);
        std::iota(from.begin(), from.end(), T(1));
        for (std::size_t rows = 0; rows <= n; ++rows)
            for (std::size_t count = 0; count <= n; ++count) {
                simd::dispatch(level, Turn<T>{from.data(), to.data(), rows, count});
                std::size_t wrong = 0;
                for (std::size_t i = 0; i < n; ++i)
                    for (std::size_t j = 0; j < n; ++j)
                        wrong += to[j * n + i] == (i < rows && j < count ? from[i * n + j] : T(0)) ? 0 : 1;
                CHECK(wrong == 0);
            }
    }
}

}  // namespace turn_test
