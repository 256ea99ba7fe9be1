#pragma once

#include <algorithm>
#include <cstddef>
#include <type_traits>

#include <charrnn/core/amx.hpp>
#include <charrnn/core/buffer.hpp>
#include <charrnn/core/packed_matrix.hpp>
#include <charrnn/core/simd.hpp>
#include <charrnn/core/tile.hpp>
#include <charrnn/core/view.hpp>

namespace charrnn {

/// Sums of outer products, (M, N), as the kernels leave them: panel after panel of a few vectors of columns, in a panel row
/// after row, so that tiles pass through memory in its order; or, for the matrix unit, tile after tile of 16 rows of a vector;
/// or, where ids choose the rows, row after row.
template <class T>
class OuterSums {
    // Tiles of vectors may reach beyond the last row.
    static constexpr std::size_t spare_rows = 4;

  public:
    OuterSums() = default;
    /// Room for what matmul_outer makes at this level.
    OuterSums(Simd level, std::size_t rows, std::size_t columns)
        : OuterSums(level, rows, columns, matmul_panel(level)) {}
    /// Room for what scatter_add makes at this level.
    [[nodiscard]] static OuterSums by_rows(Simd level, std::size_t rows, std::size_t columns) {
        level = std::min(level, Simd::avx512);
        return {level, rows, columns, tiles_of(columns, simd::width(level) / sizeof(T))};
    }

    /// Where the sums of a row's vector stand.
    [[nodiscard]] const T* at(std::size_t row, std::size_t vector) const {
        return data_.data() + place(row, vector);
    }
    /// Where the sums of a row's vector stand.
    [[nodiscard]] T* at(std::size_t row, std::size_t vector) { return data_.data() + place(row, vector); }
    /// From one row to the next, in a panel; with tiles only within 16.
    [[nodiscard]] std::size_t ld() const { return ld_; }
    [[nodiscard]] std::size_t rows() const { return rows_; }        ///< M
    [[nodiscard]] std::size_t vectors() const { return vectors_; }  ///< of a row

  private:
    OuterSums(Simd level, std::size_t rows, std::size_t columns, std::size_t panel)
        : unit_(simd::width(level) / sizeof(T)),
          panel_(panel),
          on_tiles_(std::is_same_v<T, float> && level == Simd::amx),
          ld_(on_tiles_ ? detail::amx::line : panel_ * unit_),
          vectors_(tiles_of(columns, unit_)),
          block_(on_tiles_ ? vectors_ * detail::amx::tile : (rows + spare_rows) * ld_),
          rows_(rows),
          data_((on_tiles_ ? tiles_of(rows, detail::amx::strip) : tiles_of(vectors_, panel_)) * block_) {}

    [[nodiscard]] std::size_t place(std::size_t row, std::size_t vector) const {
        using namespace detail;
        return on_tiles_ ? row / amx::strip * block_ + vector * amx::tile + row % amx::strip * ld_
                         : vector / panel_ * block_ + row * ld_ + vector % panel_ * unit_;
    }

    std::size_t unit_ = 1, panel_ = 1;
    bool on_tiles_ = false;
    std::size_t ld_ = 0, vectors_ = 0;
    std::size_t block_ = 0;  // a panel, or 16 rows of tiles
    std::size_t rows_ = 0;
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
