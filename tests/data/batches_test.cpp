#include <charrnn/data/batches.hpp>

#include <doctest/doctest.h>

#include <cstddef>
#include <cstdint>
#include <string>
#include <utility>
#include <vector>

#include <charrnn/data/chunk.hpp>

namespace batches_test {

using namespace charrnn;

namespace {

// Ids in which every position can be told apart (as long as there are fewer than 256): position p is p + 1.
Ids counting(std::size_t size) {
    std::vector<std::uint8_t> ids;
    for (std::size_t p = 0; p < size; ++p) ids.push_back(static_cast<std::uint8_t>(p + 1));
    return Ids(std::move(ids));
}

// The same windows, made the slow way: whole lanes with Flux's functions, -1 for what must not count.
struct Naive {
    std::vector<std::vector<int>> inputs, targets;  // per step, per lane

    Naive(std::size_t size, std::size_t lanes) {
        std::vector<int> text;
        for (std::size_t p = 0; p < size; ++p) text.push_back(static_cast<int>(p + 1));
        const auto pieces = chunk(text, lanes);
        std::vector<std::vector<int>> shifted;
        for (std::size_t j = 0; j < pieces.size(); ++j) {
            std::vector<int> lane(pieces[j].begin() + 1, pieces[j].end());
            if (j + 1 < pieces.size()) lane.push_back(pieces[j + 1].front());
            shifted.push_back(lane);
        }
        inputs = batchseq(pieces, -1);
        targets = batchseq(shifted, -1);
        inputs.resize(targets.size());  // a single lane's last character predicts nothing
    }

    // Whether chunk gives that many lanes and each of them predicts something.
    static bool possible(std::size_t size, std::size_t lanes) {
        const auto pieces = chunk(std::vector<int>(size), lanes);
        return size >= 2 && pieces.size() == lanes && !(lanes > 1 && pieces.back().size() < 2);
    }
};

}  // namespace

TEST_CASE("batches: equal to the slow construction for many small sizes") {
    constexpr std::uint32_t pad = 99;
    Batch batch;
    std::size_t compared = 0;
    for (std::size_t size = 2; size <= 40; ++size) {
        for (std::size_t lanes = 1; lanes <= 8; ++lanes) {
            for (std::size_t window = 1; window <= 7; ++window) {
                CAPTURE(size);
                CAPTURE(lanes);
                CAPTURE(window);
                if (!Naive::possible(size, lanes)) {
                    CHECK_THROWS_AS(Batches(counting(size), 100, pad, {.lanes = lanes, .window = window}),
                                    value_error);
                    continue;
                }
                const Batches batches(counting(size), 100, pad, {.lanes = lanes, .window = window});
                const Naive naive(size, lanes);
                const auto input_windows = partition(naive.inputs, window);
                const auto target_windows = partition(naive.targets, window);
                REQUIRE(batches.windows() == target_windows.size());
                std::size_t characters = 0;
                for (std::size_t i = 0; i < batches.windows(); ++i) {
                    batches.fill(i, batch);
                    REQUIRE(batch.steps == target_windows[i].size());
                    REQUIRE(batch.steps == batches.window_steps(i));
                    REQUIRE(batch.lanes == lanes);
                    REQUIRE(batch.inputs.size() == batch.steps * lanes);
                    REQUIRE(batch.targets.size() == batch.steps * lanes);
                    REQUIRE(batch.valid.size() == lanes);
                    REQUIRE(batch.begins.empty());
                    std::size_t count = 0;
                    bool same = true;
                    for (std::size_t t = 0; t < batch.steps; ++t) {
                        for (std::size_t n = 0; n < lanes; ++n) {
                            const int input = input_windows[i][t][n];
                            const int target = target_windows[i][t][n];
                            const auto expected = [](int id) {
                                return id < 0 ? pad : static_cast<std::uint32_t>(id);
                            };
                            same = same && batch.inputs[t * lanes + n] == expected(input);
                            same = same && batch.targets[t * lanes + n] == expected(target);
                            same = same && (t < batch.valid[n]) == (target >= 0);
                            count += target >= 0 ? 1 : 0;
                        }
                    }
                    REQUIRE(same);
                    REQUIRE(batch.count == count);
                    REQUIRE(count > 0);
                    characters += count;
                }
                REQUIRE(characters == size - 1);
                REQUIRE(batches.characters() == size - 1);
                ++compared;
            }
        }
    }
    CHECK(compared > 1000);
}

TEST_CASE("batches: the layout of a small text, written out") {
    // 7 characters in 2 lanes of 4: "abcd" predicts "bcde", "efg" predicts "fg".
    const Text text = Text::from_string("abcdefg");
    const Alphabet alphabet(text, U'\v');
    const Batches batches(text, alphabet, {.lanes = 2, .window = 3});
    CHECK(batches.windows() == 2);
    CHECK(batches.lane_length() == 4);
    CHECK(batches.size() == 7);
    CHECK(batches.characters() == 6);
    CHECK(batches.alphabet_size() == 8);
    Batch batch;
    batches.fill(0, batch);
    CHECK(alphabet.decode(batch.inputs) == "aebfcg");
    CHECK(alphabet.decode(batch.targets) == "bfcgd\v");
    CHECK(batch.valid == std::vector<std::uint32_t>{3, 2});
    CHECK(batch.count == 5);
    batches.fill(1, batch);
    CHECK(batch.steps == 1);
    CHECK(alphabet.decode(batch.inputs) == "d\v");
    CHECK(alphabet.decode(batch.targets) == "e\v");
    CHECK(batch.valid == std::vector<std::uint32_t>{1, 0});
}

TEST_CASE("batches: without a stop symbol masked places hold id 0") {
    const Text text = Text::from_string("abcdefg");
    const Alphabet alphabet(text);
    Batch batch;
    Batches(text, alphabet, {.lanes = 2, .window = 9}).fill(0, batch);
    CHECK(batch.inputs[7] == 0);
    CHECK(batch.targets[7] == 0);
    CHECK(batch.valid == std::vector<std::uint32_t>{4, 2});
}

TEST_CASE("batches: targets come from shifted lanes where the shifted text would be cut elsewhere") {
    // 201 characters, 10 lanes: lanes of 21, but the 200 targets chunked apart would make lanes of 20.
    CHECK(chunk(std::vector<int>(201), 10)[0].size() == 21);
    CHECK(chunk(std::vector<int>(200), 10)[0].size() == 20);
    const Batches batches(counting(201), 256, 0, {.lanes = 10, .window = 21});
    Batch batch;
    REQUIRE(batches.windows() == 1);
    batches.fill(0, batch);
    std::size_t wrong = 0;
    for (std::size_t n = 0; n < 10; ++n) {
        for (std::size_t t = 0; t < batch.valid[n]; ++t) {
            wrong += batch.targets[t * 10 + n] == batch.inputs[t * 10 + n] + 1 ? 0 : 1;
        }
    }
    CHECK(wrong == 0);
    CHECK(batch.count == 200);
    CHECK(batch.targets[20 * 10 + 0] == batch.inputs[1]);  // lane 0 ends with lane 1's first character
}

TEST_CASE("batches: the Linux kernel experiment's figures") {
    constexpr std::size_t size = 6'206'993;
    std::vector<std::uint8_t> ids(size);
    for (std::size_t p = 0; p < size; ++p) ids[p] = static_cast<std::uint8_t>((p + p / 97) % 100);
    const Batches batches(Ids(ids), 101, 100);  // 50 lanes, windows of 50
    CHECK(batches.lanes() == 50);
    CHECK(batches.window() == 50);
    CHECK(batches.lane_length() == 124'140);
    CHECK(batches.windows() == 2'483);
    CHECK(batches.window_steps(0) == 50);
    CHECK(batches.window_steps(2'482) == 40);
    Batch batch;
    std::size_t count = 0, last_lane = 0;
    for (std::size_t i = 0; i < batches.windows(); ++i) {
        batches.fill(i, batch);
        count += batch.count;
        last_lane += batch.valid[49];
    }
    CHECK(count == size - 1);
    CHECK(last_lane == 124'132);
    CHECK(batch.inputs[32 * 50 + 49] == ids.back());  // the last lane's 124,133rd character
    CHECK(batch.inputs[33 * 50 + 49] == 100);
    CHECK(batch.targets[32 * 50 + 49] == 100);
    CHECK(batch.valid[49] == 32);
    CHECK(batch.valid[48] == 40);
}

TEST_CASE("batches: the number of windows changes with the character that begins a new one") {
    const auto windows = [](std::size_t size) {
        return Batches(Ids(std::vector<std::uint8_t>(size)), 68).windows();
    };
    CHECK(windows(4'572'500) == 1'829);
    CHECK(windows(4'572'501) == 1'830);  // the Flux experiment on Shakespeare has 1,830
    CHECK(windows(4'575'000) == 1'830);
    CHECK(windows(4'575'001) == 1'831);
}

TEST_CASE("batches: filling goes on in the same memory, and copies share the ids") {
    const Batches batches(counting(100), 256, 0, {.lanes = 4, .window = 10});
    Batch batch;
    batches.fill(0, batch);
    const auto* const inputs = batch.inputs.data();
    const auto* const targets = batch.targets.data();
    const auto* const valid = batch.valid.data();
    batch.begins.assign(40, 1);
    for (std::size_t round = 0; round < 2; ++round) {
        for (std::size_t i = 0; i < batches.windows(); ++i) {
            batches.fill(i, batch);
            CHECK(batch.inputs.data() == inputs);
            CHECK(batch.targets.data() == targets);
            CHECK(batch.valid.data() == valid);
            CHECK(batch.begins.empty());
        }
    }
    const Batches copy = batches;
    CHECK(&copy.ids() == &batches.ids());
}

TEST_CASE("batches: wider ids make the same windows") {
    const Batches narrow(counting(100), 256, 7, {.lanes = 3, .window = 8});
    std::vector<std::uint16_t> two(100);
    std::vector<std::uint32_t> four(100);
    for (std::uint16_t p = 0; p < 100; ++p) four[p] = two[p] = static_cast<std::uint16_t>(p + 1);
    const Batches wide(Ids(two), 300, 7, {.lanes = 3, .window = 8});
    const Batches widest(Ids(four), 70000, 7, {.lanes = 3, .window = 8});
    for (std::size_t i = 0; i < narrow.windows(); ++i) {
        Batch a, b, c;
        narrow.fill(i, a);
        wide.fill(i, b);
        widest.fill(i, c);
        CHECK(a.inputs == b.inputs);
        CHECK(a.targets == b.targets);
        CHECK(a.inputs == c.inputs);
        CHECK(a.targets == c.targets);
        CHECK(a.valid == c.valid);
    }
}

TEST_CASE("batches: a text shorter than a window is one short window") {
    const Batches batches(counting(5), 256, 0, {.lanes = 1, .window = static_cast<std::size_t>(-1)});
    CHECK(batches.windows() == 1);
    CHECK(batches.window_steps(0) == 4);
}

TEST_CASE("batches: what cannot be laid out is said in a sentence") {
    const auto make = [](std::size_t size, BatchOptions options) {
        return Batches(counting(size), 256, 0, options);
    };
    CHECK_THROWS_WITH_AS(make(9, {.lanes = 0}), "Batches: 0 lanes; give at least 1", value_error);
    CHECK_THROWS_WITH_AS(make(9, {.lanes = 1, .window = 0}), "Batches: a window of 0 steps; give at least 1",
                         value_error);
    CHECK_THROWS_WITH_AS(make(0, {.lanes = 1}), "Batches: the text is empty", data_error);
    CHECK_THROWS_WITH_AS(make(1, {.lanes = 1}), "Batches: a text of 1 character has nothing to predict",
                         data_error);
    CHECK_THROWS_WITH_AS(
        make(12, {}),
        "Batches: 50 lanes for 12 characters would leave the last one nothing to predict: give 6",
        value_error);
    CHECK_THROWS_WITH_AS(
        make(12, {.lanes = 5}),
        "Batches: 5 lanes for 12 characters would leave the last one nothing to predict: give 4",
        value_error);
    CHECK_THROWS_AS(make(12, {.lanes = static_cast<std::size_t>(-1)}), value_error);
    CHECK_THROWS_WITH_AS(Batches(counting(12), 12, 0, {.lanes = 2}),
                         "Batches: the id 12 is outside an alphabet of 12", data_error);
    CHECK_THROWS_WITH_AS(Batches(counting(12), 13, 13, {.lanes = 2}),
                         "Batches: the id 13 is outside an alphabet of 13", data_error);
    CHECK_THROWS_WITH_AS(make(12, {.lanes = 2}).window_steps(1), "Batches: no window 1 among 1", value_error);
    Batch batch;
    CHECK_THROWS_AS(make(12, {.lanes = 2}).fill(1, batch), value_error);
    const Text text = Text::from_string("abcabc");
    CHECK_THROWS_WITH_AS(Batches(text, Alphabet::from_symbols(U"ab"), {.lanes = 1}),
                         "the alphabet has no 'c', which the text has at position 2", data_error);
}

TEST_CASE("batches: the number of lanes that is advised is the largest that works") {
    for (std::size_t size = 2; size <= 60; ++size) {
        for (std::size_t lanes = 2; lanes <= size + 1; ++lanes) {
            if (Naive::possible(size, lanes)) continue;
            std::size_t best = lanes;
            while (!Naive::possible(size, best)) --best;
            std::string message;
            try {
                (void)Batches(counting(size), 256, 0, {.lanes = lanes});
            } catch (const value_error& e) {
                message = e.what();
            }
            const std::string advice = "give " + std::to_string(best);
            REQUIRE(message.size() > advice.size());
            CHECK(message.substr(message.size() - advice.size()) == advice);
        }
    }
}

}  // namespace batches_test
