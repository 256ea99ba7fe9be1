#include <charrnn/data/chunk.hpp>

#include <doctest/doctest.h>

#include <cstddef>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include <charrnn/data/alphabet.hpp>
#include <charrnn/data/text.hpp>

namespace chunk_test {

using namespace charrnn;

TEST_CASE("chunk: pieces of equal length, the last one shorter") {
    CHECK(chunk(std::u32string(U"abcdefg"), 3) == std::vector<std::u32string>{U"abc", U"def", U"g"});
    CHECK(chunk(std::vector<int>{1, 2, 3, 4}, 2) == std::vector<std::vector<int>>{{1, 2}, {3, 4}});
    CHECK(chunk(std::string("abc"), 1) == std::vector<std::string>{"abc"});
}

TEST_CASE("chunk: fewer pieces than asked for, as in Flux") {
    CHECK(chunk(std::string("abcde"), 4) == std::vector<std::string>{"ab", "cd", "e"});
    CHECK(chunk(std::string("abcde"), 8) == std::vector<std::string>{"a", "b", "c", "d", "e"});
    CHECK(chunk(std::string(), 3).empty());
}

TEST_CASE("chunk: spans and views point into what they were cut from") {
    const std::vector<int> xs{1, 2, 3, 4, 5};
    const auto pieces = chunk(std::span(xs), 2);
    REQUIRE(pieces.size() == 2);
    CHECK(pieces[1].data() == xs.data() + 3);
    CHECK(pieces[1].size() == 2);
    CHECK(chunk(std::string_view("abc"), 2) == std::vector<std::string_view>{"ab", "c"});
}

TEST_CASE("chunk: nothing cannot be a number of pieces or a length") {
    CHECK_THROWS_WITH_AS(chunk(std::string("abc"), 0), "chunk: 0 pieces; give at least 1", value_error);
    CHECK_THROWS_WITH_AS(partition(std::string("abc"), 0), "partition: pieces of 0 elements; give at least 1",
                         value_error);
}

TEST_CASE("partition: windows, the last one shorter") {
    CHECK(partition(std::string("abcde"), 2) == std::vector<std::string>{"ab", "cd", "e"});
    CHECK(partition(std::string("abcd"), 2) == std::vector<std::string>{"ab", "cd"});
    CHECK(partition(std::string("abc"), static_cast<std::size_t>(-1)) == std::vector<std::string>{"abc"});
    CHECK(partition(std::string(), 2).empty());
}

TEST_CASE("batchseq: time first, short lanes padded") {
    const auto steps = batchseq(chunk(std::u32string(U"abcdefg"), 3), U'_');
    CHECK(steps ==
          std::vector<std::vector<char32_t>>{{U'a', U'd', U'g'}, {U'b', U'e', U'_'}, {U'c', U'f', U'_'}});
    CHECK(batchseq(std::vector<std::vector<int>>{{1}, {2, 3}, {}}, 0) ==
          std::vector<std::vector<int>>{{1, 2, 0}, {0, 3, 0}});
    CHECK(batchseq(std::vector<std::string>{}, '_').empty());
}

TEST_CASE("chunk, batchseq, partition: the lengths of the Linux kernel experiment") {
    // The Flux kernel run: 6,206,993 code points, 100 different ones; only lengths matter, so any text does.
    constexpr std::size_t size = 6'206'993;
    std::u32string points(size, U'\0');
    for (std::size_t i = 0; i < size; ++i) {
        const auto k = static_cast<char32_t>((i + i / 97) % 100);
        points[i] = k < 90 ? U'!' + k : 0x400 + k;  // ten of them take two bytes
    }
    const Text text = Text::from_string(encode(points));
    REQUIRE(text.size() == size);
    REQUIRE(text.bytes().size() > size);
    const Alphabet alphabet(text, U'\v');
    CHECK(alphabet.size() == 101);

    const auto lanes = chunk(std::u32string_view(points), 50);
    REQUIRE(lanes.size() == 50);
    for (std::size_t j = 0; j < 49; ++j) CHECK(lanes[j].size() == 124'140);
    CHECK(lanes[49].size() == 124'133);
    const auto shifted = chunk(std::u32string_view(points).substr(1), 50);
    REQUIRE(shifted.size() == 50);
    CHECK(shifted[0].size() == 124'140);
    CHECK(shifted[49].size() == 124'132);

    const auto steps = batchseq(lanes, U'\v');
    CHECK(steps.size() == 124'140);
    CHECK(steps[124'133 - 1][49] == points.back());
    CHECK(steps[124'133][49] == U'\v');
    const auto windows = partition(std::span(steps), 50);
    CHECK(windows.size() == 2'483);
    CHECK(windows[2'481].size() == 50);
    CHECK(windows.back().size() == 40);
}

}  // namespace chunk_test
