#pragma once

#include <cstddef>
#include <type_traits>

#include <charrnn/core/amx.hpp>
#include <charrnn/core/buffer.hpp>
#include <charrnn/core/packed_matrix.hpp>
#include <charrnn/core/simd.hpp>
#include <charrnn/core/view.hpp>

namespace charrnn {

/// Sums of outer products, (M, N), as the kernels leave them: row after row, or, for the matrix unit, tile after tile of 16
/// rows of a vector.
template <class T>
class OuterSums {
    // Tiles of vectors may reach beyond the last row.
    static constexpr std::size_t spare_rows = 4;

  public:
    OuterSums() = default;
    /// Room for sums that are made at this level.
    OuterSums(Simd level, std::size_t rows, std::size_t columns)
        : unit_(simd::width(level) / sizeof(T)),
          on_tiles_(std::is_same_v<T, float> && level == Simd::amx),
          ld_(on_tiles_ ? detail::amx::line : row_stride<T>(columns)),
          strip_size_(tiles_of(columns, unit_) * detail::amx::tile),
          data_(on_tiles_ ? tiles_of(rows, detail::amx::strip) * strip_size_ : (rows + spare_rows) * ld_) {}

    /// Where the sums of a row's vector stand.
    [[nodiscard]] const T* at(std::size_t row, std::size_t vector) const {
        return data_.data() + place(row, vector);
    }
    /// Where the sums of a row's vector stand.
    [[nodiscard]] T* at(std::size_t row, std::size_t vector) { return data_.data() + place(row, vector); }
    /// From one row to the next; with tiles only within 16.
    [[nodiscard]] std::size_t ld() const { return ld_; }

  private:
    [[nodiscard]] std::size_t place(std::size_t row, std::size_t vector) const {
        using namespace detail;
        return on_tiles_ ? row / amx::strip * strip_size_ + vector * amx::tile + row % amx::strip * ld_
                         : row * ld_ + vector * unit_;
    }

    std::size_t unit_ = 1;
    bool on_tiles_ = false;
    std::size_t ld_ = 0, strip_size_ = 0;
    Buffer<T> data_;
};

/// One of the matrices A that are multiplied with the same B, and where its product goes.
template <class T>
struct OuterTerm {
    View<const T> a;  ///< (R, M)
    OuterSums<T>* c;  ///< (M, N)
    /// The vectors of C's rows that are wanted. The others may be written or not, whichever is quicker.
    Stripes wanted = {};
};

}  // namespace charrnn
