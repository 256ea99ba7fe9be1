#pragma once

#include <algorithm>
#include <cstddef>

#include <charrnn/core/amx.hpp>
#include <charrnn/core/packed_matrix.hpp>
#include <charrnn/core/simd.hpp>

/// @file
/// Products with packed weights on the matrix unit: the same as in matmul.hpp.

namespace charrnn::detail {

/// A strip: rows of A that were cut, and those of C that they make.
struct CutRows {
    const float* parts;
    float* c;
    std::size_t rows;
};

/// Cut `count` rows of A that stand `ld` apart, for a product with B.
CHARRNN_INLINE void cut_rows(const float* a, std::size_t ld, std::size_t count, const PackedMatrix<float>& b,
                             float* to) {
    constexpr std::size_t half = amx::step / 2;
    for (std::size_t k = 0; k < b.depth(); k += amx::step, to += amx::step_size) {
        amx::stay_awake();
        // Behind the inner extent there may be anything.
        const std::size_t left0 = std::min(half, b.depth() - k);
        const std::size_t left1 = std::min(half, b.depth() - k - left0);
        const float* const from0 = a + b.from(k);
        const float* const from1 = left1 > 0 ? a + b.from(k + half) : from0;
        for (std::size_t i = 0; i < count; ++i) {
            amx::Vector x0, x1;
            simd::load_some(from0 + i * ld, left0, x0);
            simd::load_some(from1 + i * ld, left1, x1);
            amx::cut(x0, x1, to + i * amx::line);
        }
    }
}

struct MatmulOnTiles {
    // The most strips of A that one pass over B serves, where B comes from afar.
    static constexpr std::size_t most = 8;

    Rows<const float> a;
    const PackedMatrix<float>* b;
    Rows<float> c;
    const float* bias;
    bool accumulate;
    float* parts;  // room for so many strips

    template <int Strips>
    CHARRNN_INLINE void block(const CutRows* rows, std::size_t v, amx::Registers& registers) const {
        const std::size_t v1 = std::min(v + 1, b->vectors() - 1);
        const CutRows &first = rows[0], &second = rows[Strips - 1];
        const amx::Block<Strips> block{{first.parts, second.parts},
                                       {b->strip(v), b->strip(v1)},
                                       {first.c, second.c},
                                       c.ld,
                                       {b->to(v), b->to(v1)}};
        registers.set(first.rows, second.rows);
        if (accumulate)
            block.load_sums();
        else if (bias != nullptr)
            block.load_row(bias);
        else
            block.clear_sums();
        block.multiply_steps(tiles_of(b->depth(), amx::step));
        block.store_sums();
    }

    template <class Isa>
    CHARRNN_INLINE void operator()(Isa) const {
        const std::size_t strips = tiles_of(a.count, amx::strip);  // in a block of A's rows
        const std::size_t all = a.steps * strips, at_once = b->is_large() ? most : 2;
        const std::size_t size = amx::strip_size(b->depth());
        amx::Registers registers;
        for (std::size_t s = 0; s < all; s += at_once) {
            const std::size_t n = std::min(at_once, all - s);
            CutRows rows[most];
            for (std::size_t i = 0; i < n; ++i) {
                const std::size_t t = (s + i) / strips, in_block = (s + i) % strips;
                const std::size_t m = a.count * in_block / strips;
                rows[i] = {parts + i * size, c.data + t * c.step_size + m * c.ld,
                           a.count * (in_block + 1) / strips - m};
                if (i == 0) registers.set(rows[0].rows, rows[0].rows);
                cut_rows(a.data + t * a.step_size + m * a.ld, a.ld, rows[i].rows, *b, parts + i * size);
            }
            for (std::size_t v = 0; v < b->vectors(); v += 2)
                amx::for_each_pair(
                    n, [&]<int Strips>(std::size_t i)
                           __attribute__((always_inline)) { block<Strips>(rows + i, v, registers); });
        }
    }
};

/// As matmul; b.on_tiles().
inline void matmul_on_tiles(const Rows<const float>& a, const PackedMatrix<float>& b, const Rows<float>& c,
                            const float* bias, bool accumulate) {
    float* const parts = amx::room(MatmulOnTiles::most * amx::strip_size(b.depth()));
    amx::run(MatmulOnTiles{a, &b, c, bias, accumulate, parts});
}

}  // namespace charrnn::detail
