#include <charrnn/core/permutation.hpp>

#include <doctest/doctest.h>

#include <vector>

namespace permutation_test {

using namespace charrnn;

TEST_CASE("permutation: every element once, whatever the size") {
    for (const std::size_t n : {1U, 2U, 3U, 4U, 5U, 17U, 64U, 65U, 1000U}) {
        const Permutation order(n, 3);
        std::vector<int> seen(n);
        for (std::size_t i = 0; i < n; ++i) ++seen.at(order(i));
        CHECK(seen == std::vector<int>(n, 1));
    }
}

TEST_CASE("permutation: looks random, and seed and stream give others") {
    constexpr std::size_t n = 1000;
    const Permutation a(n, 1), same(n, 1), b(n, 2), c(n, 1, 1);
    std::size_t fixed = 0, rising = 0, as_b = 0, as_c = 0;
    for (std::size_t i = 0; i < n; ++i) {
        CHECK(a(i) == same(i));
        fixed += a(i) == i;
        rising += i + 1 < n && a(i) < a(i + 1);
        as_b += a(i) == b(i);
        as_c += a(i) == c(i);
    }
    CHECK(fixed < 10);
    CHECK(rising > 440);
    CHECK(rising < 560);
    CHECK(as_b < 10);
    CHECK(as_c < 10);
}

}  // namespace permutation_test
