#include <charrnn/data/ids.hpp>

#include <doctest/doctest.h>

#include <cstddef>
#include <cstdint>
#include <vector>

namespace ids_test {

using namespace charrnn;

TEST_CASE_TEMPLATE("ids: the same in every width", Id, std::uint8_t, std::uint16_t, std::uint32_t) {
    const Ids ids(std::vector<Id>{3, 1, 4, 1, 5, 255});
    CHECK(ids.size() == 6);
    CHECK(ids.width() == sizeof(Id));
    CHECK(ids[2] == 4);
    CHECK(ids[5] == 255);

    std::vector<std::uint32_t> out(3, 9);
    ids.copy(2, 2, out.data());
    CHECK(out == std::vector<std::uint32_t>{4, 1, 9});
    ids.copy(6, 0, out.data());
    CHECK(out == std::vector<std::uint32_t>{4, 1, 9});
    CHECK_THROWS_WITH_AS(ids.copy(4, 3, out.data()), "Ids: no 3 ids from 4 on among 6", value_error);
    CHECK_THROWS_AS(ids.copy(7, 0, out.data()), value_error);
    CHECK_THROWS_AS(ids.copy(1, static_cast<std::size_t>(-1), out.data()), value_error);

    CHECK(ids == Ids(std::vector<Id>{3, 1, 4, 1, 5, 255}));
    CHECK_FALSE(ids == Ids(std::vector<Id>{3, 1, 4, 1, 5}));
}

TEST_CASE("ids: none") {
    CHECK(Ids().empty());
    CHECK(Ids().width() == 1);
}

}  // namespace ids_test
