#pragma once

#include <cstddef>
#include <cstdint>

#include <charrnn/core/once.hpp>

namespace charrnn {

/// The cyclic redundancy check CRC-32 of some bytes, as zlib, gzip and PNG compute it (Python: zlib.crc32). Given the
/// result for the bytes before, it goes on from there. It changes with every change of up to two bits in 512 MB, and
/// of 32 bits in a row.
///
/// Source: ISO 3309; eight bytes at a time after Kounavis and Berry 2008
std::uint32_t crc32(const void* bytes, std::size_t n, std::uint32_t before = 0);

}  // namespace charrnn

#ifdef CHARRNN_ONCE
#include <array>

namespace charrnn {

namespace detail {

using Crc32Tables = std::array<std::array<std::uint32_t, 256>, 8>;

/// table[k][b]: what byte b contributes from k bytes back. Made while the program runs: compilers are slow at it.
CHARRNN_ONCE Crc32Tables make_crc32_tables() {
    Crc32Tables table{};
    for (std::uint32_t b = 0; b < 256; ++b) {
        std::uint32_t c = b;
        for (int i = 0; i < 8; ++i) c = (c >> 1U) ^ ((c & 1U) != 0 ? 0xEDB88320U : 0U);
        table[0][b] = c;
    }
    for (std::size_t k = 1; k < 8; ++k)
        for (std::size_t b = 0; b < 256; ++b)
            table[k][b] = (table[k - 1][b] >> 8U) ^ table[0][table[k - 1][b] & 0xFFU];
    return table;
}

}  // namespace detail

CHARRNN_ONCE std::uint32_t crc32(const void* bytes, std::size_t n, std::uint32_t before) {
    static const detail::Crc32Tables table = detail::make_crc32_tables();
    const auto* p = static_cast<const unsigned char*>(bytes);
    std::uint32_t c = ~before;
    for (; n >= 8; n -= 8, p += 8) {
        c ^= static_cast<std::uint32_t>(p[0]) | static_cast<std::uint32_t>(p[1]) << 8U |
             static_cast<std::uint32_t>(p[2]) << 16U | static_cast<std::uint32_t>(p[3]) << 24U;
        c = table[7][c & 0xFFU] ^ table[6][c >> 8U & 0xFFU] ^ table[5][c >> 16U & 0xFFU] ^
            table[4][c >> 24U] ^ table[3][p[4]] ^ table[2][p[5]] ^ table[1][p[6]] ^ table[0][p[7]];
    }
    for (; n > 0; --n, ++p) c = (c >> 8U) ^ table[0][(c ^ *p) & 0xFFU];
    return ~c;
}

}  // namespace charrnn
#endif
