#pragma once

#include <algorithm>
#include <array>
#include <cstddef>

#include <charrnn/core/buffer.hpp>
#include <charrnn/core/simd.hpp>
#include <charrnn/core/view.hpp>

namespace charrnn::detail {

/// Parts of arrays that will be needed soon. They are fetched into the second-level cache a few lines at a time while
/// tiles are at work: all at once, they would take the places of the lines that the tiles wait for.
class FetchAhead {
    static constexpr std::size_t line = 64;  // bytes

  public:
    /// Steps of a tile's inner extent between two calls of fetch.
    static constexpr std::size_t stretch = 16;

    /// These rows too.
    template <class T>
    void add(View<T> v) {
        if (v.rows == 0 || v.cols == 0) return;
        Block& b = blocks_[count_++];
        b.at = reinterpret_cast<const char*>(v.data);
        b.row_lines = tiles_of(v.cols * sizeof(T), line);
        b.skip =
            static_cast<std::ptrdiff_t>(v.ld * sizeof(T)) - static_cast<std::ptrdiff_t>(b.row_lines * line);
        b.lines = v.rows * b.row_lines;
        b.left = b.row_lines;
        lines_ += b.lines;
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
            b.lines -= n;
            if (b.left == 0) {
                b.left = b.row_lines;
                b.at += b.skip;
            }
            if (b.lines == 0) ++current_;
        }
    }

  private:
    struct Block {
        const char* at;
        std::size_t row_lines, lines, left;
        std::ptrdiff_t skip;  // back, where a row ends within its last line
    };
    std::array<Block, 3> blocks_;
    std::size_t count_ = 0, current_ = 0, lines_ = 0, lines_a_call_ = 0;
};

}  // namespace charrnn::detail
