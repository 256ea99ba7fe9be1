#pragma once

#include <cstddef>
#include <cstdint>
#include <cstring>

#include <charrnn/core/buffer.hpp>
#include <charrnn/core/random.hpp>
#include <charrnn/core/view.hpp>

namespace charrnn::test {

/// Random numbers in rows with room for whole vectors; what is in that room is not zero.
template <class T>
struct Array {
    std::size_t rows, cols, ld;
    Buffer<T> data;

    Array(std::size_t r, std::size_t c, std::uint64_t seed) : rows(r), cols(c), ld(row_stride<T>(c)) {
        Random random(seed);
        data.resize(rows * ld);
        for (auto& x : data) x = static_cast<T>(random.uniform(-1, 1));
    }
    View<T> view() { return {data.data(), rows, cols, ld}; }
    View<const T> read() const { return {data.data(), rows, cols, ld}; }
    T operator()(std::size_t i, std::size_t j) const { return data[i * ld + j]; }
};

/// The bits of the columns that count.
template <class T>
bool same_bits(const Array<T>& x, const Array<T>& y) {
    for (std::size_t i = 0; i < x.rows; ++i)
        if (std::memcmp(&x.data[i * x.ld], &y.data[i * y.ld], x.cols * sizeof(T)) != 0) return false;
    return true;
}

/// Of a sum's rounding error, a term.
template <class T>
inline constexpr double tolerance = sizeof(T) == 4 ? 2e-7 : 4e-16;

}  // namespace charrnn::test
