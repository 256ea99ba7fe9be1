#include <charrnn/core/outer.hpp>
#include <charrnn/core/scatter_add.hpp>

#include <doctest/doctest.h>

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <vector>

#include <charrnn/core/random.hpp>
#include "arrays.hpp"
#include "levels.hpp"

namespace scatter_add_test {

using namespace charrnn;
using namespace charrnn::test;

namespace {

/// How many elements of the sums, and of the columns' sums, are not those of a loop over the rows, bit for bit.
template <class T>
std::size_t wrong(Simd level, std::size_t m, std::size_t n, std::size_t parts) {
    const std::size_t r = 150, unit = simd::width(level) / sizeof(T), vectors = tiles_of(n, unit);
    const Array<T> b(r, n, 2);
    Random random(3);
    std::vector<std::uint32_t> ids(r), rows;
    for (auto& id : ids) id = static_cast<std::uint32_t>(random.below(m));
    for (std::uint32_t i = 1; i < r; i += 1 + i % 2) rows.push_back(i);

    OuterSums<T> c = OuterSums<T>::by_rows(level, m, n);
    Array<T> sums(1, n, 4);
    const std::size_t panels = outer_panels(level, vectors);
    for (int turn = 0; turn < 2; ++turn)  // the second finds what the first has left
        for (std::size_t p = 0; p < parts; ++p)
            scatter_add<T>(
                level, ids.data(), b.read(), rows, c, sums.data.data(),
                outer_share(level, vectors, {Part{p, parts}.begin(panels), Part{p, parts}.end(panels)}));

    std::size_t count = 0;
    for (std::size_t i = 0; i <= m; ++i)  // row m: the columns' sums
        for (std::size_t j = 0; j < n; ++j) {
            T want = 0;
            for (const std::uint32_t row : rows)
                if (i == m || ids[row] == i) want += b(row, j);
            const T got = i < m ? c.at(i, j / unit)[j % unit] : sums(0, j);
            count += got == want ? 0 : 1;
        }
    return count;
}

}  // namespace

TEST_CASE_TEMPLATE("scatter_add: gives a loop's sums, by parts too", T, float, double) {
    for (Simd level : test::levels()) {
        level = std::min(level, Simd::avx512);
        CAPTURE(name(level));
        for (const std::size_t m : {1U, 2U, 17U, 101U})
            for (const std::size_t n : {1U, 8U, 15U, 16U, 64U, 65U, 200U})
                for (const std::size_t parts : {1U, 2U, 3U}) CHECK(wrong<T>(level, m, n, parts) == 0);
    }
}

TEST_CASE("scatter_add: no rows give zero") {
    for (Simd level : test::levels()) {
        level = std::min(level, Simd::avx512);
        const Array<float> b(1, 5, 2);
        const std::uint32_t id = 1;
        OuterSums<float> c = OuterSums<float>::by_rows(level, 3, 5);
        *c.at(2, 0) = 7;
        scatter_add<float>(level, &id, b.read(), {}, c, nullptr, outer_share(level, 1, {0, 1}));
        CHECK(*c.at(2, 0) == 0);
    }
}

}  // namespace scatter_add_test
