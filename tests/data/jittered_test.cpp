#include <charrnn/data/jittered.hpp>

#include <doctest/doctest.h>

#include <vector>

namespace jittered_test {

using namespace charrnn;

TEST_CASE("jittered: windows of random lengths that follow on, other cuts in each epoch") {
    std::vector<std::uint16_t> ids(8001);
    for (std::size_t p = 0; p < ids.size(); ++p) ids[p] = static_cast<std::uint16_t>(p);
    const Batches batches(Ids(ids), 8001, {}, {.lanes = 4, .window = 8});
    const Jittered source(batches, 5);
    std::vector<std::vector<std::size_t>> lengths(3);
    Batch batch;
    for (std::uint64_t epoch = 0; epoch < 3; ++epoch) {
        std::size_t position = 0, targets = 0;
        for (std::size_t w = 0; w < source.windows(); ++w) {
            source.fill(w, batch, epoch);
            CHECK(batch.inputs[0] == position);
            CHECK(batch.targets[0] == position + 1);
            CHECK(batch.steps <= source.window());
            position += batch.steps;
            targets += batch.count;
            lengths[epoch].push_back(batch.steps);
        }
        CHECK(position == batches.steps());
        CHECK(targets == 8000);
    }
    CHECK(lengths[0] != lengths[1]);
    CHECK(lengths[1] != lengths[2]);
    std::size_t short_ones = 0;
    double sum = 0;
    for (const std::size_t n : lengths[0]) {
        short_ones += n < 5;
        sum += static_cast<double>(n);
    }
    CHECK(short_ones <= 1);  // where the text ends
    CHECK(sum / static_cast<double>(lengths[0].size()) > 7);
    CHECK(sum / static_cast<double>(lengths[0].size()) < 11);
    CHECK_THROWS_AS(source.fill(source.windows(), batch), value_error);
    CHECK_THROWS_AS(batches.fill_steps(batches.steps(), 1, batch), value_error);
}

}  // namespace jittered_test
