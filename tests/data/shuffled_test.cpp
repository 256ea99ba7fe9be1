#include <charrnn/data/shuffled.hpp>

#include <doctest/doctest.h>

#include <set>
#include <vector>

#include <charrnn/data/batches.hpp>

namespace shuffled_test {

using namespace charrnn;

TEST_CASE("shuffled windows: every window once, one in twenty held out, each from a zero state") {
    std::vector<std::uint16_t> ids(1000);
    for (std::size_t p = 0; p < ids.size(); ++p) ids[p] = static_cast<std::uint16_t>(p);
    const Batches batches(Ids(ids), 1000, {}, {.lanes = 2, .window = 5});
    const auto [training, held] = shuffled_windows(batches, 0.05, 3);
    CHECK(training.windows() == 95);
    CHECK(held.windows() == 5);
    static_assert(BatchSource<std::decay_t<decltype(training)>>);
    std::set<std::uint32_t> begins;
    bool in_order = true;
    std::uint32_t before = 0;
    Batch batch;
    for (const auto* part : {&training, &held})
        for (std::size_t w = 0; w < part->windows(); ++w) {
            part->fill(w, batch);
            CHECK(batch.begins == std::vector<std::uint8_t>{1, 1, 0, 0, 0, 0, 0, 0, 0, 0});
            begins.insert(batch.inputs[0]);
            in_order = in_order && batch.inputs[0] >= before;
            before = batch.inputs[0];
        }
    CHECK(begins.size() == 100);
    CHECK(!in_order);
    CHECK_THROWS_AS(shuffled_windows(batches, 0), value_error);
    CHECK_THROWS_AS(shuffled_windows(batches, 1), value_error);
    CHECK_THROWS_AS((ShuffledWindows<Batches>(batches, {100})), value_error);
}

}  // namespace shuffled_test
