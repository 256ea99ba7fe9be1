#pragma once

#include <algorithm>
#include <cstddef>

#include <charrnn/core/amx.hpp>
#include <charrnn/core/matmul_on_tiles.hpp>
#include <charrnn/core/simd.hpp>
#include <charrnn/core/view.hpp>
#include <charrnn/nn/gate_kernels.hpp>

namespace charrnn::detail {

/// One step of some lanes on the matrix unit, as GateStep makes it on vectors. The products come without what the rule starts from, a few blocks of units at a time.
/// Rows of `start`, other than those that ids choose, come without the bias: the rule adds it, so that one-hot rows give the
/// same as ids.
template <class Cell>
struct GateStepOnTiles {
    using V = amx::Vector;
    using S = GateShape<Cell>;
    // Panels at once, so that their vectors go two by two.
    static constexpr std::size_t together = S::hidden_vectors % 2 == 0 ? 1 : 2;
    static constexpr std::size_t ld = together * S::hidden_vectors * V::size;

    const GateStep<Cell, float>& step;
    float* room;  // of room_size()

    static std::size_t room_size(std::size_t lanes, std::size_t width) {
        return tiles_of(lanes, amx::strip) * amx::strip_size(width) + lanes * ld;
    }

    /// The rules of a lane, for the blocks of units from `block` on whose products are `sums`.
    CHARRNN_INLINE void rules(std::size_t lane, std::size_t block, std::size_t blocks,
                              const float* sums) const {
        for (std::size_t unit = block * V::size; unit < (block + blocks) * V::size; unit += V::size) {
            amx::stay_awake();
            const std::size_t at = unit * S::gates;
            const float* from = step.start_of(lane, at);
            step.template rule<V>(
                step.place_of(lane, unit), [&](V(&g)[S::gates]) __attribute__((always_inline)) {
                    CHARRNN_UNROLL
                    for (std::size_t j = 0; j < S::gates; ++j) {
                        const std::size_t v = S::place(j);
                        g[j] = V::load(step.bias + at + v * V::size);
                        if (v < Cell::input_blocks.size()) {
                            const V fed = V::load(from + v * V::size);
                            g[j] = step.ids != nullptr ? fed : fed + g[j];
                        }
                        if (v >= S::hidden_stripes.first && v < S::hidden_stripes.first + S::hidden)
                            g[j] = g[j] + V::load(sums + (v - S::hidden_stripes.first) * V::size);
                    }
                });
            sums += S::hidden * V::size;
        }
    }

    /// The products of two strips of lanes, or one, with two vectors.
    template <int Strips>
    CHARRNN_INLINE void block(const CutRows* rows, const Range& v, std::size_t to,
                              amx::Registers& registers) const {
        const CutRows &first = rows[0], &second = rows[Strips - 1];
        const amx::Block<Strips> block{{first.parts, second.parts},
                                       {step.wh.strip(v.first), step.wh.strip(v.last)},
                                       {first.c, second.c},
                                       ld,
                                       {to, to + (v.last - v.first) * V::size}};
        registers.set(first.rows, second.rows);
        block.clear_sums();
        block.multiply_steps(tiles_of(step.width, amx::step));
        block.store_sums();
    }

    template <class Isa>
    CHARRNN_INLINE void operator()(Isa) const {
        if (step.count == 0) return;
        const std::size_t strips = tiles_of(step.count, amx::strip);
        const std::size_t size = amx::strip_size(step.width);
        float* const sums = room + strips * size;
        const auto first_row = [&](std::size_t i) { return step.count * i / strips; };
        amx::Registers registers;
        registers.set(first_row(1), first_row(1));
        for (std::size_t i = 0; i < strips; ++i)
            cut_rows(step.before + first_row(i) * step.state_ld, step.state_ld,
                     first_row(i + 1) - first_row(i), step.wh, room + i * size);
        const std::size_t panels = step.padded / (V::size * S::blocks);
        for (std::size_t p = 0; p < panels; p += together) {
            const std::size_t n = std::min(together, panels - p);
            const std::size_t first = p * S::hidden_vectors, last = first + n * S::hidden_vectors;
            for (std::size_t v = first; v < last; v += 2)
                amx::for_each_pair(
                    strips, [&]<int Strips>(std::size_t i) __attribute__((always_inline)) {
                        const auto strip = [&](std::size_t s) {
                            return CutRows{room + s * size, sums + first_row(s) * ld,
                                           first_row(s + 1) - first_row(s)};
                        };
                        const CutRows rows[2] = {strip(i), strip(i + Strips - 1)};
                        block<Strips>(rows, {v, std::min(v + 1, last - 1)}, (v - first) * V::size, registers);
                    });
            for (std::size_t lane = 0; lane < step.count; ++lane)
                rules(lane, p * S::blocks, n * S::blocks, sums + lane * ld);
        }
    }
};

}  // namespace charrnn::detail
