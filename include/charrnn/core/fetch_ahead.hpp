#pragma once

#include <algorithm>
#include <array>
#include <cstddef>
#include <cstdint>
#include <span>

#include <charrnn/core/buffer.hpp>
#include <charrnn/core/simd.hpp>
#include <charrnn/core/view.hpp>

namespace charrnn::detail {

/// Parts of arrays that will be needed soon. They are fetched into the second-level cache a few lines at a time while
/// tiles are at work: all at once, they would take the places of the lines that the tiles wait for.
class FetchAhead {
    static constexpr std::size_t line = 64;  // bytes
    static constexpr std::uint32_t first_row[] = {0};

  public:
    /// Steps of a tile's inner extent between two calls of fetch.
    static constexpr std::size_t stretch = 16;

    /// These rows of a matrix too, or its first one.
    template <class T>
    void add(View<T> v, std::span<const std::uint32_t> rows = first_row) {
        if (rows.empty() || v.cols == 0) return;
        Block& b = blocks_[count_++];
        b.data = reinterpret_cast<const char*>(v.data);
        b.row_size = v.ld * sizeof(T);
        b.row_lines = tiles_of(v.cols * sizeof(T), line);
        b.rows = rows;
        b.at = b.data + rows.front() * b.row_size;
        b.left = b.row_lines;
        lines_ += rows.size() * b.row_lines;
    }
    /// Share what was added out to so many calls of fetch.
    void spread(std::size_t calls) { lines_a_call_ = tiles_of(lines_, std::max<std::size_t>(1, calls)); }

    CHARRNN_INLINE void fetch() {
        for (std::size_t left = lines_a_call_; left > 0 && current_ < count_;) {
            Block& b = blocks_[current_];
            const std::size_t n = std::min(left, b.left);
            const char* const at = b.at;
            for (std::size_t i = 0; i < n; ++i) __builtin_prefetch(at + i * line, 0, 2);
            left -= n;
            b.at = at + n * line;
            b.left -= n;
            if (b.left > 0) continue;
            b.rows = b.rows.subspan(1);
            if (b.rows.empty()) {
                ++current_;
            } else {
                b.at = b.data + b.rows.front() * b.row_size;
                b.left = b.row_lines;
            }
        }
    }

  private:
    struct Block {
        const char* data;
        std::size_t row_size, row_lines;      // in bytes, in lines
        std::span<const std::uint32_t> rows;  // what is left, from the one at work on
        const char* at;                       // in that one
        std::size_t left;                     // lines of it
    };
    std::array<Block, 3> blocks_;
    std::size_t count_ = 0, current_ = 0, lines_ = 0, lines_a_call_ = 0;
};

}  // namespace charrnn::detail
