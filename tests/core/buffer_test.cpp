#include <charrnn/core/buffer.hpp>

#include <doctest/doctest.h>

#include <cstdint>

namespace buffer_test {

using namespace charrnn;

static_assert(round_up(0, 8) == 0);
static_assert(round_up(1, 8) == 8);
static_assert(round_up(8, 8) == 8);
static_assert(row_stride<float>(1) == 16);
static_assert(row_stride<float>(17) == 48);  // two cache lines are even, so three
static_assert(row_stride<double>(8) == 8);

TEST_CASE("buffer: begins at a cache line, whatever its size") {
    for (std::size_t n = 1; n < 100; n += 7) {
        const Buffer<float> b(n);
        CHECK(reinterpret_cast<std::uintptr_t>(b.data()) % 64 == 0);
        CHECK(b.back() == 0);
        const Buffer<float> copy = b;
        CHECK(reinterpret_cast<std::uintptr_t>(copy.data()) % 64 == 0);
    }
}

TEST_CASE("buffer: what stands at every row of a window begins at a huge page, if it is large") {
    for (const std::size_t n :
         {std::size_t{1}, std::size_t{1000}, std::size_t{1} << 20U, std::size_t{3} << 19U}) {
        WindowBuffer<float> b(n);
        const std::size_t border = n * sizeof(float) < std::size_t{2} << 20U ? 64 : std::size_t{2} << 20U;
        CHECK(reinterpret_cast<std::uintptr_t>(b.data()) % border == 0);
        CHECK(b.back() == 0);
        b.resize(2 * n, 1.0F);
        CHECK(b.front() + b.back() == 1);
    }
}

TEST_CASE("buffer: a row has room for whole vectors and an odd number of cache lines") {
    for (std::size_t n = 0; n < 600; ++n) {
        const std::size_t floats = row_stride<float>(n);
        CHECK(floats >= round_up(n, 16));
        CHECK(floats % 32 == 16);
        CHECK(row_stride<double>(n) >= round_up(n, 8));
        CHECK(row_stride<double>(n) % 16 == 8);
    }
}

}  // namespace buffer_test
