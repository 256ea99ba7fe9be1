#pragma once

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <span>

#include <charrnn/core/amx.hpp>
#include <charrnn/core/buffer.hpp>
#include <charrnn/core/fetch_ahead.hpp>
#include <charrnn/core/outer_term.hpp>
#include <charrnn/core/packed_matrix.hpp>
#include <charrnn/core/simd.hpp>
#include <charrnn/core/view.hpp>

/// @file
/// Sums of outer products on the matrix unit: the same as in outer.hpp. The inner extent is that of the rows here, so A's
/// numbers are turned while they are cut.

namespace charrnn::detail {

struct OuterOnTiles {
    // Chunks of rows, of which all parts stay in the second-level cache, with so many bytes of C.
    static constexpr std::size_t chunk = 64;
    static constexpr std::size_t group_bytes = std::size_t{1} << 20U;

    std::span<const OuterTerm<float>> terms;  // at most two: FetchAhead has room for them and B
    View<const float> b;
    std::span<const std::uint32_t> rows;  // of A and B
    float* sums;
    Range share;  // of the vectors of B's columns
    float* room;  // of room_size()

    static std::size_t strips_of(std::span<const OuterTerm<float>> terms) {
        std::size_t strips = 0;
        for (const OuterTerm<float>& term : terms) strips += tiles_of(term.a.cols, amx::strip);
        return strips;
    }
    /// Vectors of columns that go through all chunks together.
    static std::size_t group(std::span<const OuterTerm<float>> terms) {
        const std::size_t bytes = std::max<std::size_t>(1, strips_of(terms)) * amx::tile * sizeof(float);
        return std::max<std::size_t>(2, group_bytes / bytes / 2 * 2);
    }
    static std::size_t room_size(std::span<const OuterTerm<float>> terms, const Range& share) {
        const std::size_t vectors = std::min(group(terms), share.last - share.first);
        return (vectors + 2) * amx::strip_size(chunk);
    }

    /// A strip of A from up to 16 columns of some rows.
    CHARRNN_INLINE static void cut_turned(const View<const float>& a,
                                          const std::span<const std::uint32_t>& at, float* to) {
        constexpr std::size_t half = amx::step / 2;
        for (std::size_t r = 0; r < at.size(); r += amx::step, to += amx::step_size) {
            amx::stay_awake();
            const auto load = [&](std::size_t h, std::size_t i, amx::Vector & x)
                __attribute__((always_inline)) {
                const std::size_t row = r + h * half + i;
                const bool there = row < at.size();
                simd::load_some(a.row(at[there ? row : 0]), there ? a.cols : 0, x);
            };
            amx::cut_turned(load, a.cols, to);
        }
    }

    /// A strip of B from up to 16 columns of some rows, which are added to the vector at `sum` unless null.
    CHARRNN_INLINE static void cut_and_add(const View<const float>& from,
                                           const std::span<const std::uint32_t>& at, float* to, float* sum) {
        amx::stay_awake();
        const auto row = [&](std::size_t r) __attribute__((always_inline)) { return from.row(at[r]); };
        amx::cut_columns(row, at.size(), from.cols, to);
        if (sum == nullptr) return;
        amx::Vector s;
        simd::load_some(sum, from.cols, s);
        for (std::size_t r = 0; r < at.size(); ++r) {
            amx::Vector x;
            simd::load_some(row(r), from.cols, x);
            s = s + x;
        }
        for (std::size_t i = 0; i < from.cols; ++i) sum[i] = s.v[i];
    }

    /// A chunk of the rows, and the vectors [g0, g1) of B.
    struct Chunk {
        std::span<const std::uint32_t> rows;
        bool first;  // of all rows
        std::size_t g0, g1;
        const float* b_parts;  // their strips
        float* a_parts;        // room for two strips
        FetchAhead next;

        [[nodiscard]] const float* strip(std::size_t v) const {
            return b_parts + (v - g0) * amx::strip_size(chunk);
        }
    };

    /// The wanted vector from v on.
    CHARRNN_INLINE static std::size_t next_wanted(const Stripes& wanted, std::size_t v, std::size_t last) {
        while (v < last &&
               (v % wanted.period < wanted.first || v % wanted.period >= wanted.first + wanted.count))
            ++v;
        return std::min(v, last);
    }

    /// Strips of A's columns from m on with all of B's wanted vectors.
    template <int Strips>
    CHARRNN_INLINE void strips(const OuterTerm<float>& term, std::size_t m, amx::Registers& registers,
                               Chunk& at) const {
        constexpr std::size_t size = amx::strip_size(chunk);
        const std::size_t left = term.a.cols - m - (Strips - 1) * amx::strip;
        const std::size_t heights[2] = {Strips == 2 ? amx::strip : std::min(amx::strip, left),
                                        std::min(amx::strip, left)};
        for (std::size_t s = 0; s < Strips; ++s)
            cut_turned(term.a.columns(m + s * amx::strip, heights[s]), at.rows, at.a_parts + s * size);
        registers.set(heights[0], heights[1]);
        float* const c[2] = {term.c->at(m, 0), term.c->at(m + (Strips - 1) * amx::strip, 0)};
        for (std::size_t v = next_wanted(term.wanted, at.g0, at.g1); v < at.g1;) {
            const std::size_t second = next_wanted(term.wanted, v + 1, at.g1);
            const std::size_t v1 = second < at.g1 ? second : v;
            const amx::Block<Strips> block{{at.a_parts, at.a_parts + size},
                                           {at.strip(v), at.strip(v1)},
                                           {c[0], c[1]},
                                           amx::line,
                                           {v * amx::tile, v1 * amx::tile}};
            if (at.first)
                block.clear_sums();
            else
                block.load_sums();
            at.next.fetch();
            block.multiply_steps(tiles_of(at.rows.size(), amx::step));
            block.store_sums();
            v = next_wanted(term.wanted, second + 1, at.g1);
        }
    }

    template <class Isa>
    CHARRNN_INLINE void operator()(Isa) const {
        constexpr std::size_t unit = amx::Vector::size;
        const std::size_t size = amx::strip_size(chunk), most = group(terms);
        amx::Registers registers;
        registers.set(amx::strip, amx::strip);
        for (std::size_t g0 = share.first; g0 < share.last; g0 += most) {
            const std::size_t g1 = std::min(share.last, g0 + most);
            float* const a_parts = room + (g1 - g0) * size;
            Chunk at{{}, true, g0, g1, room, a_parts, {}};
            std::span<const std::uint32_t> left = rows;
            for (; at.first || !left.empty(); at.first = false) {
                at.rows = left.first(std::min(chunk, left.size()));
                left = left.subspan(at.rows.size());
                for (std::size_t v = g0; v < g1; ++v) {
                    float* const sum = sums != nullptr ? sums + v * unit : nullptr;
                    const View<const float> vector = b.columns(v * unit, std::min(unit, b.cols - v * unit));
                    if (sum != nullptr && at.first) std::fill_n(sum, vector.cols, 0.0F);
                    cut_and_add(vector, at.rows, room + (v - g0) * size, sum);
                }
                const std::span<const std::uint32_t> after = left.first(std::min(chunk, left.size()));
                at.next = {};
                at.next.add(b.columns(g0 * unit, std::min(g1 * unit, b.cols) - g0 * unit), after);
                std::size_t pairs = 0;
                for (const OuterTerm<float>& term : terms) {
                    at.next.add(term.a, after);
                    pairs += tiles_of(term.a.cols, 2 * amx::strip);
                }
                at.next.spread(pairs * tiles_of(g1 - g0, 2));
                for (const OuterTerm<float>& term : terms)
                    amx::for_each_pair(
                        tiles_of(term.a.cols, amx::strip), [&]<int Strips>(
                                                               std::size_t i) __attribute__((always_inline)) {
                            strips<Strips>(term, i * amx::strip, registers, at);
                        });
            }
        }
    }
};

}  // namespace charrnn::detail
