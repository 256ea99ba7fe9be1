#pragma once

#include <cstddef>
#include <cstdint>

#include <charrnn/core/view.hpp>

/// @file
/// What a forward pass needs to know beside its input.

namespace charrnn {

/// The circumstances of a pass over a window.
struct Context {
    bool training = false;  ///< layers that act in training only (dropout) do so
    std::size_t truncate =
        0;  ///< cut the gradient every so many steps inside the window; 0: at its edge only
    const std::uint8_t* begins =
        nullptr;             ///< (T, N) 1 where a document begins and the state is zero, or null
    std::uint64_t seed = 0;  ///< random numbers are a function of seed, step, layer and lane
    std::uint64_t step = 0;  ///< the training step
};

/// What a layer reads: characters' ids, or rows of numbers. Row t * N + n is step t of lane n.
template <class T>
struct Input {
    const std::uint32_t* ids = nullptr;  ///< (T, N), each below the layer's input width; null: `dense` counts
    View<const T> dense;                 ///< (T * N, D)
};

}  // namespace charrnn
