#pragma once

#include <cstddef>
#include <type_traits>

/// @file
/// Non-owning views and the small words for size and share that all floors use.

namespace charrnn {

/// A view of a row-major matrix whose rows stand `ld` scalars apart.
template <class T>
struct View {
    T* data = nullptr;     ///< the first element
    std::size_t rows = 0;  ///< how many rows
    std::size_t cols = 0;  ///< how many columns
    std::size_t ld = 0;    ///< from one row to the next, in scalars

    View() = default;
    View(T* data_, std::size_t rows_, std::size_t cols_, std::size_t ld_)
        : data(data_), rows(rows_), cols(cols_), ld(ld_) {}
    View(T* data_, std::size_t rows_, std::size_t cols_) : View(data_, rows_, cols_, cols_) {}
    /// A view for reading, of a view for writing.
    template <class U, class = std::enable_if_t<std::is_same_v<const U, T> && !std::is_same_v<U, T>>>
    View(const View<U>& v)  // NOLINT(google-explicit-constructor)
        : data(v.data), rows(v.rows), cols(v.cols), ld(v.ld) {}

    /// The element in row i and column j.
    T& operator()(std::size_t i, std::size_t j) const { return data[i * ld + j]; }
    /// Where row i begins.
    T* row(std::size_t i) const { return data + i * ld; }
    /// Rows first to first + count.
    View slice(std::size_t first, std::size_t count) const { return {row(first), count, cols, ld}; }
    /// Columns first to first + count.
    View columns(std::size_t first, std::size_t count) const { return {data + first, rows, count, ld}; }
    /// Whether it views anything.
    explicit operator bool() const { return data != nullptr; }
};

/// A window: T steps over N lanes. Row t * N + n of a window's arrays is step t of lane n.
struct Extent {
    std::size_t steps = 0;  ///< T
    std::size_t lanes = 0;
    /// T * N
    [[nodiscard]] std::size_t rows() const { return steps * lanes; }
};

/// A group of a window's lanes: first to first + count. Groups go through time side by side.
struct Lanes {
    std::size_t first = 0;  ///< the first lane
    std::size_t count = 0;  ///< how many lanes
    std::size_t group = 0;  ///< which group this is

    /// Group `index` of `groups` nearly equal ones.
    static Lanes of(std::size_t lanes, std::size_t index, std::size_t groups) {
        const std::size_t first = lanes * index / groups;
        return {first, lanes * (index + 1) / groups - first, index};
    }
};

/// What a workspace must be able to do.
struct Plan {
    Extent extent;                ///< the largest window
    bool ids = true;              ///< the input is ids, not rows of numbers
    bool backward = false;        ///< gradients are wanted
    bool input_gradient = false;  ///< of the input too
    bool state_gradient = false;  ///< of the initial state too
    std::size_t groups = 1;       ///< groups of lanes
    std::size_t layer = 0;        ///< the layer's place in the model
};

/// From first to before last.
struct Range {
    std::size_t first = 0;  ///< the first
    std::size_t last = 0;   ///< the one behind the last
};

/// Share `index` of `count` of some work that is divided by output, so that no sum depends on the division.
struct Part {
    std::size_t index = 0;  ///< which share
    std::size_t count = 1;  ///< of how many

    /// Where this share of n items begins; the next share begins where it ends.
    [[nodiscard]] std::size_t begin(std::size_t n) const { return n * index / count; }
    /// Where this share ends.
    [[nodiscard]] std::size_t end(std::size_t n) const { return n * (index + 1) / count; }
};

}  // namespace charrnn
