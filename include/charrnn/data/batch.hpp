#pragma once

#include <cstddef>
#include <cstdint>
#include <vector>

/// @file
/// One window of training data.

namespace charrnn {

/// A window of T steps over N lanes: row t * N + n is step t of lane n.
///
/// Targets are masked by position, never by symbol: the target of step t in lane n counts only if
/// t < valid[n]. Whatever stands in a masked place of `targets` has no influence on loss or gradient.
struct Batch {
    std::size_t steps = 0;                ///< T
    std::size_t lanes = 0;                ///< N
    std::vector<std::uint32_t> inputs;    ///< (T, N) ids of the characters read
    std::vector<std::uint32_t> targets;   ///< (T, N) ids of the characters to predict
    std::vector<std::uint32_t> valid;     ///< (N) how many of a lane's targets count
    std::vector<std::uint8_t> begins;     ///< (T, N) 1 where a new document begins: the state before that
                                          ///< step is zero; empty if none does
    std::size_t count = 0;                ///< valid targets in all lanes together
};

}  // namespace charrnn
