#pragma once

#include <algorithm>
#include <cstddef>
#include <span>
#include <utility>

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

/// Exchange rows and columns of 16 vectors of 16.
CHARRNN_INLINE void turn(amx::Vector (&x)[16]) {
    const auto pass = [&]<std::size_t Far, std::size_t... I>(std::index_sequence<I...>)
        __attribute__((always_inline)) {
        CHARRNN_UNROLL
        for (std::size_t i = 0; i < 16; ++i)
            if ((i & Far) == 0) {
                const auto a = x[i].v, b = x[i + Far].v;
                x[i].v = __builtin_shufflevector(a, b, ((I & Far) == 0 ? I : 16 + I - Far)...);
                x[i + Far].v = __builtin_shufflevector(a, b, ((I & Far) == 0 ? I + Far : 16 + I)...);
            }
    };
    constexpr std::make_index_sequence<16> all;
    pass.template operator()<8>(all);
    pass.template operator()<4>(all);
    pass.template operator()<2>(all);
    pass.template operator()<1>(all);
}

struct OuterOnTiles {
    // Chunks of rows, of which all parts stay in the second-level cache, with so many bytes of C.
    static constexpr std::size_t chunk = 64;
    static constexpr std::size_t group_bytes = std::size_t{1} << 20U;

    std::span<const OuterTerm<float>> terms;  // at most two: FetchAhead has room for them and B
    View<const float> b;
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
        return (vectors + 2) * amx::strip_size(chunk) + strips_of(terms) * vectors * amx::tile;
    }

    /// A strip of A from `rows` rows of `count` columns.
    CHARRNN_INLINE static void cut_turned(const float* a, std::size_t ld, std::size_t rows, std::size_t count,
                                          float* to) {
        constexpr std::size_t half = amx::step / 2;
        for (std::size_t r = 0; r < rows; r += amx::step, to += amx::step_size) {
            amx::stay_awake();
            float columns[2][amx::strip * half];
            for (std::size_t h = 0; h < 2; ++h) {
                amx::Vector x[half];
                CHARRNN_UNROLL
                for (std::size_t i = 0; i < half; ++i) {
                    const std::size_t row = r + h * half + i;
                    amx::load_some(row < rows ? a + row * ld : a, row < rows ? count : 0, x[i]);
                }
                turn(x);
                CHARRNN_UNROLL
                for (std::size_t i = 0; i < half; ++i) x[i].store(columns[h] + i * half);
            }
            for (std::size_t i = 0; i < count; ++i)
                amx::cut(amx::Vector::load(columns[0] + i * half), amx::Vector::load(columns[1] + i * half),
                         to + i * amx::line);
        }
    }

    /// A strip of B from `rows` rows of a vector, which are added to the vector at `sum` unless null.
    CHARRNN_INLINE static void cut_and_add(const float* from, std::size_t ld, std::size_t rows,
                                           std::size_t count, float* to, float* sum) {
        amx::stay_awake();
        amx::CutColumns{from, ld, rows, count, to}(simd::Avx512{});
        if (sum == nullptr) return;
        amx::Vector s;
        amx::load_some(sum, count, s);
        for (std::size_t r = 0; r < rows; ++r) {
            amx::Vector x;
            amx::load_some(from + r * ld, count, x);
            s = s + x;
        }
        for (std::size_t i = 0; i < count; ++i) sum[i] = s.v[i];
    }

    /// A chunk of the rows, and the vectors [g0, g1) of B.
    struct Chunk {
        std::size_t first, rows, g0, g1;
        const float* b_parts;  // their strips
        float* a_parts;        // room for two strips
        float* c;              // C, tile by tile, so that threads keep apart: a strip's vectors side by side
        FetchAhead next;

        [[nodiscard]] const float* strip(std::size_t v) const {
            return b_parts + (v - g0) * amx::strip_size(chunk);
        }
        [[nodiscard]] std::size_t strip_of_c() const { return (g1 - g0) * amx::tile; }
    };

    /// The wanted vector from v on.
    CHARRNN_INLINE static std::size_t next_wanted(const Stripes& wanted, std::size_t v, std::size_t last) {
        while (v < last &&
               (v % wanted.period < wanted.first || v % wanted.period >= wanted.first + wanted.count))
            ++v;
        return std::min(v, last);
    }

    /// Strips of A's columns from m on with all of B's wanted vectors; `c`: their tiles.
    template <int Strips>
    CHARRNN_INLINE void strips(const OuterTerm<float>& term, std::size_t m, float* c,
                               amx::Registers& registers, Chunk& at) const {
        constexpr std::size_t size = amx::strip_size(chunk);
        const std::size_t left = term.a.cols - m - (Strips - 1) * amx::strip;
        const std::size_t rows[2] = {Strips == 2 ? amx::strip : std::min(amx::strip, left),
                                     std::min(amx::strip, left)};
        for (std::size_t s = 0; s < Strips; ++s)
            cut_turned(term.a.row(at.first) + m + s * amx::strip, term.a.ld, at.rows, rows[s],
                       at.a_parts + s * size);
        registers.set(rows[0], rows[1]);
        for (std::size_t v = next_wanted(term.wanted, at.g0, at.g1); v < at.g1;) {
            const std::size_t second = next_wanted(term.wanted, v + 1, at.g1);
            const std::size_t v1 = second < at.g1 ? second : v;
            const amx::Block<Strips> block{{at.a_parts, at.a_parts + size},
                                           {at.strip(v), at.strip(v1)},
                                           {c, c + at.strip_of_c()},
                                           amx::line,
                                           {(v - at.g0) * amx::tile, (v1 - at.g0) * amx::tile}};
            if (at.first == 0)
                block.clear_sums();
            else
                block.load_sums();
            at.next.fetch();
            block.multiply_steps(tiles_of(at.rows, amx::step));
            block.store_sums();
            v = next_wanted(term.wanted, second + 1, at.g1);
        }
    }

    /// C from its tiles.
    CHARRNN_INLINE static void collect(const OuterTerm<float>& term, const float* c, const Chunk& at) {
        for (std::size_t m = 0; m < term.a.cols; ++m) {
            const float* from = c + m / amx::strip * at.strip_of_c() + m % amx::strip * amx::line;
            for (std::size_t v = at.g0; v < at.g1; ++v, from += amx::tile)
                amx::Vector::load(from).store(term.c.row(m) + v * amx::Vector::size);
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
            Chunk at{0, 0, g0, g1, room, a_parts, a_parts + 2 * size, {}};
            for (; at.first == 0 || at.first < b.rows; at.first += chunk) {
                at.rows = std::min(chunk, b.rows - at.first);
                for (std::size_t v = g0; v < g1; ++v) {
                    float* const sum = sums != nullptr ? sums + v * unit : nullptr;
                    const std::size_t count = std::min(unit, b.cols - v * unit);
                    if (sum != nullptr && at.first == 0) std::fill_n(sum, count, 0.0F);
                    cut_and_add(b.row(at.first) + v * unit, b.ld, at.rows, count, room + (v - g0) * size,
                                sum);
                }
                const std::size_t r1 = at.first + at.rows, after = std::min(chunk, b.rows - r1);
                at.next = {};
                at.next.add(b.slice(r1, after).columns(g0 * unit, std::min(g1 * unit, b.cols) - g0 * unit));
                std::size_t pairs = 0;
                for (const OuterTerm<float>& term : terms) {
                    at.next.add(term.a.slice(r1, after));
                    pairs += tiles_of(term.a.cols, 2 * amx::strip);
                }
                at.next.spread(pairs * tiles_of(g1 - g0, 2));
                float* c = at.c;
                for (const OuterTerm<float>& term : terms) {
                    const std::size_t n = tiles_of(term.a.cols, amx::strip);
                    amx::for_each_pair(
                        n, [&]<int Strips>(std::size_t i) __attribute__((always_inline)) {
                            strips<Strips>(term, i * amx::strip, c + i * at.strip_of_c(), registers, at);
                        });
                    c += n * at.strip_of_c();
                }
            }
            const float* c = at.c;
            for (const OuterTerm<float>& term : terms) {
                collect(term, c, at);
                c += tiles_of(term.a.cols, amx::strip) * at.strip_of_c();
            }
        }
    }
};

}  // namespace charrnn::detail
