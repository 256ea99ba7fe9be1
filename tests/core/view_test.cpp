#include <charrnn/core/view.hpp>

#include <doctest/doctest.h>

#include <type_traits>
#include <vector>

namespace view_test {

using namespace charrnn;

static_assert(std::is_convertible_v<View<float>, View<const float>>);
static_assert(!std::is_convertible_v<View<const float>, View<float>>);
static_assert(!std::is_convertible_v<View<float>, View<const double>>);

TEST_CASE("view: rows, elements, slices and columns of an array with room at the rows' ends") {
    std::vector<int> numbers{0, 1, 2, -1, 10, 11, 12, -1, 20, 21, 22, -1};
    const View<int> v(numbers.data(), 3, 3, 4);
    CHECK(v(2, 1) == 21);
    CHECK(v.row(1)[0] == 10);
    const View<int> last = v.slice(1, 2);
    CHECK(last.rows == 2);
    CHECK(last(1, 2) == 22);
    const View<int> right = last.columns(1, 2);
    CHECK(right.cols == 2);
    CHECK(right(0, 0) == 11);
    right(0, 0) = 5;
    CHECK(View<const int>(v)(1, 1) == 5);
    CHECK(v);
    CHECK(!View<int>());
}

TEST_CASE("view: groups of lanes and parts of work cover everything once") {
    for (std::size_t n = 0; n < 20; ++n)
        for (std::size_t groups = 1; groups < 6; ++groups) {
            std::size_t lane = 0, item = 0;
            for (std::size_t g = 0; g < groups; ++g) {
                const Lanes lanes = Lanes::of(n, g, groups);
                CHECK(lanes.first == lane);
                CHECK(lanes.group == g);
                CHECK(lanes.count >= n / groups);
                CHECK(lanes.count <= n / groups + 1);
                lane += lanes.count;
                const Part part{g, groups};
                CHECK(part.begin(n) == item);
                item = part.end(n);
            }
            CHECK(lane == n);
            CHECK(item == n);
        }
}

}  // namespace view_test
