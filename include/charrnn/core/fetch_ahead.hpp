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

/// Fetch so many scalars into the nearest cache: all at once, and not each line when it is met.
template <class T>
CHARRNN_INLINE void fetch_all(const T* from, std::size_t count) {
    for (std::size_t i = 0; i < count; i += 64 / sizeof(T)) __builtin_prefetch(from + i, 0, 3);
}

/// Parts of arrays that will be needed soon. They are fetched into the second-level cache a few lines at a time while
/// tiles are at work: all at once, they would take the places of the lines that the tiles wait for.
class FetchAhead {
    static constexpr std::size_t line = 64;  // bytes

  public:
    /// All rows of a matrix too.
    template <class T>
    void add(View<T> v) {
        add(v, nullptr, v.rows);
    }
    /// These rows of a matrix too.
    template <class T>
    void add(View<T> v, std::span<const std::uint32_t> rows) {
        add(v, rows.data(), rows.size());
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
            if (--b.count > 0)
                b.begin_row();
            else
                ++current_;
        }
    }

  private:
    struct Block {
        const char* next;                 // row 0, or, if nothing is said of which, the next row
        std::size_t row_size, row_lines;  // in bytes, in lines
        const std::uint32_t* rows;        // the next one, or null: one after the other
        std::size_t count;                // rows that are left, with the one at work on
        const char* at = nullptr;         // in that one
        std::size_t left = 0;             // lines of it

        CHARRNN_INLINE void begin_row() {
            at = next;
            if (rows != nullptr)
                at += *rows++ * row_size;
            else
                next += row_size;
            left = row_lines;
        }
    };
    template <class T>
    void add(const View<T>& v, const std::uint32_t* rows, std::size_t count) {
        if (count == 0 || v.cols == 0) return;
        Block& b = blocks_[count_++];
        b = {reinterpret_cast<const char*>(v.data), v.ld * sizeof(T), tiles_of(v.cols * sizeof(T), line),
             rows, count};
        b.begin_row();
        lines_ += count * b.row_lines;
    }

    std::array<Block, 3> blocks_;
    std::size_t count_ = 0, current_ = 0, lines_ = 0, lines_a_call_ = 0;
};

}  // namespace charrnn::detail
