#pragma once

#include <concepts>
#include <cstddef>
#include <cstdint>
#include <vector>

/// @file
/// One window of training data.

namespace charrnn {

/// A window of T steps over N lanes: row t * N + n is step t of lane n.
///
/// Targets are masked by position, never by symbol: the target of step t in lane n counts only if
/// from[n] <= t < valid[n]. Whatever stands in a masked place of `targets` has no influence on loss or gradient.
struct Batch {
    std::size_t steps = 0;               ///< T
    std::size_t lanes = 0;               ///< N
    std::vector<std::uint32_t> inputs;   ///< (T, N) ids of the characters read
    std::vector<std::uint32_t> targets;  ///< (T, N) ids of the characters to predict
    std::vector<std::uint32_t> valid;    ///< (N) how many of a lane's targets count
    std::vector<std::uint32_t> from;     ///< (N) the first of a lane's targets that counts; empty: 0 in all
    std::vector<std::uint8_t> begins;    ///< (T, N) 1 where a new document begins: the state before that
                                         ///< step is zero; empty if none does
    std::size_t count = 0;               ///< valid targets in all lanes together
};

/// What trains and evaluates a model: an epoch of windows in a fixed order, over a fixed number of lanes.
///
///     windows()        how many windows make an epoch; each has at least one valid target
///     fill(i, batch)   makes `batch` window i < windows(), reusing its memory; const, so several readers can
///     lanes()          N of every window
///     window()         the largest T of a window
///     alphabet_size()  V: every id is less than that
///
/// A source that is different in each epoch (another order, other cuts) has fill(i, batch, epoch) too.
template <class S>
concept BatchSource = requires(const S& source, std::size_t i, Batch& batch) {
    { source.windows() } -> std::convertible_to<std::size_t>;
    { source.lanes() } -> std::convertible_to<std::size_t>;
    { source.window() } -> std::convertible_to<std::size_t>;
    { source.alphabet_size() } -> std::convertible_to<std::size_t>;
    source.fill(i, batch);
};

namespace detail {

/// Window i of an epoch, from a source that may or may not know of epochs.
template <class S>
void fill_window(const S& source, std::size_t i, Batch& batch, std::uint64_t epoch) {
    if constexpr (requires { source.fill(i, batch, epoch); })
        source.fill(i, batch, epoch);
    else
        source.fill(i, batch);
}

}  // namespace detail
}  // namespace charrnn
