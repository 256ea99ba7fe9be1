#include <charrnn/core/sum_groups.hpp>

#include <doctest/doctest.h>

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <numeric>
#include <vector>

#include "arrays.hpp"

namespace sum_groups_test {

using namespace charrnn;
using namespace charrnn::test;

TEST_CASE("sum groups: every row once, lanes side by side, and as many groups whatever the steps") {
    for (const std::size_t lanes : {1U, 2U, 15U, 16U, 17U, 50U, 101U}) {
        const SumGroups groups(Extent{7, lanes});
        CHECK(groups.size() == (lanes < 16 ? 1 : 2));
        for (const std::size_t steps : {0U, 1U, 4U, 7U}) {
            std::vector<std::uint32_t> all;
            for (std::size_t g = 0; g < groups.size(); ++g) {
                const auto rows = groups.rows(g, steps);
                const Lanes of_group = Lanes::of(lanes, g, groups.size());
                CHECK(std::is_sorted(rows.begin(), rows.end()));
                for (const std::uint32_t r : rows) CHECK(r % lanes - of_group.first < of_group.count);
                all.insert(all.end(), rows.begin(), rows.end());
            }
            std::sort(all.begin(), all.end());
            std::vector<std::uint32_t> want(steps * lanes);
            std::iota(want.begin(), want.end(), 0U);
            CHECK(all == want);
        }
    }
}

TEST_CASE("sum groups: the parts cover every item of every group once") {
    for (const std::size_t lanes : {5U, 50U}) {
        const SumGroups groups(Extent{3, lanes});
        for (const std::size_t n : {1U, 2U, 8U, 11U})
            for (std::size_t parts = 1; parts < 7; ++parts) {
                std::vector<int> seen(groups.size() * n);
                for (std::size_t p = 0; p < parts; ++p)
                    groups.for_each({p, parts}, n, [&](std::size_t g, Range share) {
                        REQUIRE(share.last <= n);
                        for (std::size_t i = share.first; i < share.last; ++i) ++seen[g * n + i];
                    });
                CHECK(std::count(seen.begin(), seen.end(), 1) == static_cast<std::ptrdiff_t>(seen.size()));
            }
    }
}

TEST_CASE_TEMPLATE("sum groups: add_up adds the groups in their order", T, float, double) {
    for (const std::size_t count : {1U, 3U, 16U, 17U})
        for (std::size_t groups = 1; groups <= SumGroups::most; ++groups) {
            std::vector<Array<T>> sums;
            for (std::size_t g = 0; g < groups; ++g) sums.emplace_back(1, count, g);
            std::vector<T> got(count), want(count);
            add_up(
                sums, [](const Array<T>& a) { return a.data.data(); }, count, got.data());
            for (std::size_t j = 0; j < count; ++j) {
                want[j] = sums[0](0, j);
                for (std::size_t g = 1; g < groups; ++g) want[j] += sums[g](0, j);
            }
            CHECK(got == want);
        }
}

}  // namespace sum_groups_test
