#pragma once

#include <cstddef>
#include <cstdint>
#include <vector>

/// @file
/// The table behind an alphabet.

namespace charrnn::detail {

/// From code points to numbers in two steps: which page of 256 code points, which entry of the page. Pages
/// that hold nothing are one and the same; the page of the bytes 0..255 always exists.
class CodePointMap {
  public:
    /// What stands where nothing was set. Numbers are less than 2^31, so the top bit tells.
    static constexpr std::uint32_t missing = 0xFFFFFFFF;
    static constexpr std::uint32_t missing_bit = 0x80000000;

    CodePointMap() : page_of_(page_count, 0), entries_(2 * page_size, missing) { page_of_[0] = 1; }

    /// The number of a code point, or `missing`; whatever c is.
    std::uint32_t find(char32_t c) const noexcept {
        if (c > 0x10FFFF) return missing;
        return entries_[page_of_[c / page_size] * page_size + c % page_size];
    }

    /// Expects c <= U+10FFFF.
    void set(char32_t c, std::uint32_t number) {
        std::uint16_t& page = page_of_[c / page_size];
        if (page == 0) {
            page = static_cast<std::uint16_t>(entries_.size() / page_size);
            entries_.resize(entries_.size() + page_size, missing);
        }
        entries_[page * page_size + c % page_size] = number;
    }

    /// The entries of the bytes 0..255, valid until the next set.
    const std::uint32_t* bytes() const noexcept { return entries_.data() + page_size; }

  private:
    static constexpr std::size_t page_size = 256;
    static constexpr std::size_t page_count = 0x110000 / page_size;

    std::vector<std::uint16_t> page_of_;
    std::vector<std::uint32_t> entries_;
};

}  // namespace charrnn::detail
