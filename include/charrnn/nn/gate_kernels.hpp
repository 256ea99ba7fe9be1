#pragma once

#include <algorithm>
#include <array>
#include <cstddef>
#include <cstdint>
#include <span>
#include <utility>
#include <vector>

#include <charrnn/core/fetch_ahead.hpp>
#include <charrnn/core/packed_matrix.hpp>
#include <charrnn/core/simd.hpp>
#include <charrnn/core/tile.hpp>
#include <charrnn/core/view.hpp>

/// @file
/// What a gated cell does in a step, forward and backward, on the private layout of its gates and states.
///
/// H is padded to Hp, a multiple of the panel's units. A row of gates is, for each block of one vector of units, the
/// vectors of its gates side by side, so that a register tile holds all gates of its units and the rules run on it in
/// place: first the gates that only the input feeds, then those that the state feeds too, then those that the state
/// feeds alone. So what the input feeds lies together, and what the state feeds, and no product meets the others. A row
/// of state is the parts, Hp each.

namespace charrnn::detail {

template <class Cell>
struct GateShape {
    static constexpr std::size_t gates = Cell::gates;
    static constexpr std::size_t parts = Cell::parts;
    static constexpr std::size_t hidden = Cell::hidden_blocks.size();
    /// Blocks of units in a panel: as many as make some four vectors.
    static constexpr std::size_t blocks = gates >= 3 ? 1 : 4 / gates;
    static constexpr std::size_t vectors = gates * blocks;  ///< of a panel's row
    /// Of which the recurrent product feeds so many: accumulators a row.
    static constexpr std::size_t hidden_vectors = hidden * blocks;

    /// Rows of a tile.
    template <class Isa>
    static constexpr std::size_t rows = std::clamp<std::size_t>((Isa::registers >= 32 ? 24 : 12) /
                                                                    std::max<std::size_t>(1, hidden_vectors),
                                                                1, simd::TileShape<Isa>::rows);

    /// Where something stands in a list, or the list's length.
    template <std::size_t N>
    static constexpr std::size_t find(const std::array<std::size_t, N>& list, std::size_t what) {
        return static_cast<std::size_t>(std::find(list.begin(), list.end(), what) - list.begin());
    }

    /// The gates in the order of their vectors.
    static constexpr std::array<std::size_t, gates> order = [] {
        std::array<std::size_t, gates> all{};
        std::size_t n = 0;
        for (const auto& [input, state] :
             {std::pair{true, false}, {true, true}, {false, true}, {false, false}})
            for (std::size_t g = 0; g < gates; ++g)
                if ((find(Cell::input_blocks, g) < Cell::input_blocks.size()) == input &&
                    (find(Cell::hidden_blocks, g) < hidden) == state)
                    all[n++] = g;
        return all;
    }();
    /// The vector of a gate.
    static constexpr std::size_t place(std::size_t gate) { return find(order, gate); }

    /// The vectors of the gates that a product feeds.
    template <std::size_t N>
    static constexpr Stripes stripes(const std::array<std::size_t, N>& fed) {
        if (N == 0) return {};  // there is no such product
        std::size_t first = gates;
        for (const std::size_t gate : fed) first = std::min(first, place(gate));
        return {first, N, gates};
    }
    static constexpr Stripes input_stripes = stripes(Cell::input_blocks);
    static constexpr Stripes hidden_stripes = stripes(Cell::hidden_blocks);
};

/// The columns of a weight matrix in the order of the private layout, those that are there. `blocks[i]` is the gate of
/// the matrix's block i.
template <class Cell, std::size_t N>
std::vector<ColumnRun> gate_columns(std::size_t width, std::size_t padded, std::size_t unit,
                                    const std::array<std::size_t, N>& blocks) {
    using S = GateShape<Cell>;
    std::vector<ColumnRun> runs;
    for (std::size_t u = 0; u < padded; u += unit) {
        const std::size_t count = u < width ? std::min(unit, width - u) : 0;
        for (const std::size_t gate : S::order)
            if (const std::size_t i = S::find(blocks, gate); i < N)
                runs.push_back({count > 0 ? i * width + u : 0, count});
    }
    return runs;
}

/// A block of units' gates, which stand in the order of their vectors.
template <class Cell, class V, class T>
CHARRNN_INLINE void load_gates(V (&g)[Cell::gates], const T* from) {
    CHARRNN_UNROLL
    for (std::size_t j = 0; j < Cell::gates; ++j) g[j] = V::load(from + GateShape<Cell>::place(j) * V::size);
}
template <class Cell, class V, class T>
CHARRNN_INLINE void store_gates(const V (&g)[Cell::gates], T* to) {
    CHARRNN_UNROLL
    for (std::size_t j = 0; j < Cell::gates; ++j) g[j].store(to + GateShape<Cell>::place(j) * V::size);
}

/// One step of some lanes: gates = start + h Wh, then the cell's rule. `start` has what the input feeds; the other gates
/// start from their bias.
template <class Cell, class T>
struct GateStep {
    const Cell& cell;
    const PackedMatrix<T>& wh;
    std::size_t width;         // H
    std::size_t padded;        // Hp
    std::size_t count;         // lanes
    const std::uint32_t* ids;  // the row of `start` for each lane, or null: row n is lane n's
    const T* start;
    std::size_t start_ld;
    const T* bias;
    const T* before;
    T* after;
    std::size_t state_ld;
    T* gates;
    std::size_t gate_ld;
    Range share;  // of the panels; on the matrix unit it is all of them

    /// What lane n's gates start from, from scalar `at` of the row on.
    [[nodiscard]] CHARRNN_INLINE const T* start_of(std::size_t n, std::size_t at) const {
        return start + (ids != nullptr ? ids[n] : n) * start_ld + at;
    }

    /// The gates of some panels for some lanes, before the rule.
    template <std::size_t MR, std::size_t Panels, class Isa>
    CHARRNN_INLINE void block(std::size_t m, std::size_t panel, FetchAhead& next) const {
        using V = typename Isa::template pack<T>;
        using S = GateShape<Cell>;
        constexpr std::size_t width_of_b = S::hidden_vectors * V::size;
        constexpr std::size_t fed = Panels * S::hidden_vectors, vectors = Panels * S::vectors;
        const std::size_t at = panel * S::vectors * V::size;
        T* const to = gates + m * gate_ld + at;
        V acc[MR][std::max<std::size_t>(1, fed)];
        CHARRNN_UNROLL
        for (std::size_t i = 0; i < MR; ++i) {
            const T* from = start_of(m + i, at);
            CHARRNN_UNROLL
            for (std::size_t j = 0; j < vectors; ++j) {
                const V x = V::load(j % S::gates < Cell::input_blocks.size() ? from + j * V::size
                                                                             : bias + at + j * V::size);
                const std::size_t which = S::hidden_stripes.before(j);
                if (fed > 0 && S::hidden_stripes.before(j + 1) > which)
                    acc[i][which] = x;
                else
                    x.store(to + i * gate_ld + j * V::size);
            }
        }
        const std::size_t left = count - m - MR;
        if (ids != nullptr && left > 0) {  // the next tile's rows of a table, which stand anywhere
            CHARRNN_UNROLL
            for (std::size_t i = 0; i < MR; ++i)
                fetch_all(start_of(m + MR + std::min(i, left - 1), at), vectors * V::size);
        }
        if constexpr (fed > 0) {
            simd::Offsets<fed> place{};
            for (std::size_t j = 0; j < fed; ++j) place.at[j] = S::hidden_stripes(j) * V::size;
            simd::NextTile<Isa, MR, fed, T> soon(to + MR * gate_ld, gate_ld, gates + count * gate_ld);
            const T* a = before + m * state_ld;
            const T* b = wh.at(panel * S::hidden_vectors);
            const simd::InPanels<S::hidden_vectors, V> panels{width_of_b * width};
            for (std::size_t k = 0; k < width;) {
                next.fetch();
                soon.fetch(place);
                const std::size_t depth = std::min(wh.stretch(), width - k);
                simd::tile(depth, a + k, state_ld, 1, b + k * width_of_b, width_of_b, acc, panels);
                k += depth;
            }
            simd::store_tile(acc, to, gate_ld, place);
        }
    }

    /// The same as a function of its own, as in OuterKernel.
    template <std::size_t MR, std::size_t Panels>
    struct Block {
        const GateStep& step;
        std::size_t m, panel;
        FetchAhead& next;

        template <class Isa>
        CHARRNN_INLINE void operator()(Isa) const {
            step.template block<MR, Panels, Isa>(m, panel, next);
        }
    };

    /// A vector of a lane's units: where it stands in the arrays of the step.
    struct Unit {
        const T* before;
        T* after;
        T* gates;
        std::size_t part;  // from one part of the state to the next
    };
    [[nodiscard]] CHARRNN_INLINE Unit place_of(std::size_t n, std::size_t unit) const {
        return {before + n * state_ld + unit, after + n * state_ld + unit,
                gates + n * gate_ld + unit * GateShape<Cell>::gates, padded};
    }
    /// The cell's rule there; `load` gives the pre-activations.
    template <class V, class Load>
    CHARRNN_INLINE void rule(const Unit& at, const Load& load) const {
        using S = GateShape<Cell>;
        V g[S::gates];
        V s[S::parts];
        load(g);
        CHARRNN_UNROLL
        for (std::size_t p = 0; p < S::parts; ++p) s[p] = V::load(at.before + p * at.part);
        cell.gate(g, s);
        store_gates<Cell>(g, at.gates);
        CHARRNN_UNROLL
        for (std::size_t p = 0; p < S::parts; ++p) s[p].store(at.after + p * at.part);
    }

    /// The cell's rule for all lanes on the units of a panel, whose gates are still in the nearest cache.
    template <class V>
    CHARRNN_INLINE void rules(std::size_t panel) const {
        using S = GateShape<Cell>;
        const std::size_t row_step = state_ld, gate_step = gate_ld;  // in registers, whatever is stored
        Unit row = place_of(0, panel * S::blocks * V::size);
        for (std::size_t n = 0; n < count; ++n) {
            CHARRNN_UNROLL
            for (std::size_t u = 0; u < S::blocks; ++u) {
                const Unit unit{row.before + u * V::size, row.after + u * V::size,
                                row.gates + u * S::gates * V::size, row.part};
                rule<V>(
                    unit, [&](V(&g)[S::gates])
                              __attribute__((always_inline)) { load_gates<Cell>(g, unit.gates); });
            }
            row.before += row_step, row.after += row_step, row.gates += gate_step;
        }
    }

    template <class Isa>
    CHARRNN_INLINE void operator()(Isa) const {
        using V = typename Isa::template pack<T>;
        using S = GateShape<Cell>;
        constexpr std::size_t together = simd::panels_of_one_row(S::hidden_vectors);
        for (std::size_t p = share.first, done = 0; p < share.last; p = done) {
            FetchAhead next;
            if (count == 1 && p + together <= share.last) {
                simd::call<Isa>(Block<1, together>{*this, 0, p, next});
                done = p + together;
            } else {
                done = p + 1;
                const std::size_t then = done < share.last ? done : share.first;
                wh.fetch_ahead(next, then * S::hidden_vectors, 0, width,
                               tiles_of(count, S::template rows<Isa>));
                simd::for_each_height<S::template rows<Isa>>(
                    count, [&]<std::size_t MR>(std::size_t m, std::size_t tiles)
                               __attribute__((always_inline)) {
                                   for (std::size_t i = 0; i < tiles; ++i)
                                       simd::call<Isa>(Block<MR, 1>{*this, m + i * MR, p, next});
                               });
            }
            for (std::size_t panel = p; panel < done; ++panel) rules<V>(panel);
        }
    }
};

/// One step of some lanes backward, elementwise: gates become the gradient of the pre-activations, and `carry`,
/// the gradient of the state after (without d_y), becomes that of the state before (without the product's share).
template <class Cell, class T>
struct GateStepBack {
    const Cell& cell;
    std::size_t padded;
    std::size_t width;
    std::size_t count;
    const T* before;
    const T* after;
    T* carry;
    std::size_t state_ld;
    T* gates;
    std::size_t gate_ld;
    const T* d_y;
    std::size_t d_y_ld;

    template <class Isa>
    CHARRNN_INLINE void operator()(Isa) const {
        using V = typename Isa::template pack<T>;
        using S = GateShape<Cell>;
        for (std::size_t n = 0; n < count; ++n) {
            for (std::size_t unit = 0; unit < padded; unit += V::size) {
                V g[S::gates];
                V s0[S::parts];
                V s1[S::parts];
                V d[S::parts];
                T* gate = gates + n * gate_ld + unit * S::gates;
                load_gates<Cell>(g, gate);
                CHARRNN_UNROLL
                for (std::size_t p = 0; p < S::parts; ++p) {
                    const std::size_t at = n * state_ld + p * padded + unit;
                    s0[p] = V::load(before + at);
                    s1[p] = V::load(after + at);
                    d[p] = V::load(carry + at);
                }
                if (unit < width) d[0] = d[0] + V::load(d_y + n * d_y_ld + unit);
                cell.gate_back(g, s0, s1, d);
                store_gates<Cell>(g, gate);
                CHARRNN_UNROLL
                for (std::size_t p = 0; p < S::parts; ++p)
                    d[p].store(carry + n * state_ld + p * padded + unit);
            }
            // A rule with a slope without bound makes NaN of the padding, which the products would spread.
            for (std::size_t unit = width; unit < padded; ++unit) {
                T* gate = gates + n * gate_ld + unit / V::size * V::size * S::gates + unit % V::size;
                for (std::size_t j = 0; j < S::gates; ++j) gate[j * V::size] = T(0);
                for (std::size_t p = 0; p < S::parts; ++p) carry[n * state_ld + p * padded + unit] = T(0);
            }
        }
    }
};

}  // namespace charrnn::detail
