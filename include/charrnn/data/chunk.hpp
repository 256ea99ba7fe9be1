#pragma once

#include <algorithm>
#include <cstddef>
#include <span>
#include <vector>

#include <charrnn/core/error.hpp>

/// @file
/// Flux's three steps from a sequence to windows of lanes: chunk, batchseq, partition. They copy what they
/// cut and serve for looking at small texts; `Batches` (batches.hpp) gives the same windows without the
/// copies.

namespace charrnn {

namespace detail {

template <class Sequence>
Sequence piece(const Sequence& xs, std::size_t first, std::size_t count) {
    const auto begin = xs.begin() + static_cast<typename Sequence::difference_type>(first);
    return Sequence(begin, begin + static_cast<typename Sequence::difference_type>(count));
}

template <class T>
std::span<T> piece(const std::span<T>& xs, std::size_t first, std::size_t count) {
    return xs.subspan(first, count);
}

}  // namespace detail

/// Pieces of `length` elements; the last may be shorter. No element, no piece.
/// Pieces are of the sequence's own type: a vector, a string, or spans into the same memory.
/// Errors: value_error if length is 0.
/// Source: Julia's Iterators.partition
template <class Sequence>
std::vector<Sequence> partition(const Sequence& xs, std::size_t length) {
    if (length == 0) throw value_error("partition: pieces of 0 elements; give at least 1");
    std::vector<Sequence> pieces;
    pieces.reserve(xs.size() / length + 1);
    for (std::size_t first = 0; first < xs.size();) {
        const std::size_t count = std::min(length, xs.size() - first);
        pieces.push_back(detail::piece(xs, first, count));
        first += count;
    }
    return pieces;
}

/// Pieces of ceil(size / n) elements; the last may be shorter. As in Flux there are fewer than n when that
/// many already hold everything: 5 elements make 3 pieces for n = 4, and 5 for n = 8.
/// Errors: value_error if n is 0.
/// Source: Flux.jl, src/utils.jl, `chunk`
template <class Sequence>
std::vector<Sequence> chunk(const Sequence& xs, std::size_t n) {
    if (n == 0) throw value_error("chunk: 0 pieces; give at least 1");
    if (xs.size() == 0) return {};
    return partition(xs, xs.size() / n + (xs.size() % n == 0 ? 0 : 1));
}

/// The lanes side by side, time first: step t holds element t of every lane, or `pad` where a lane has ended.
/// As many steps as the longest lane has elements.
/// Shapes: N lanes of at most T elements -> T steps of N elements
/// Errors: none.
/// Source: Flux.jl, src/utils.jl, `batchseq`
template <class Sequence>
std::vector<std::vector<typename Sequence::value_type>> batchseq(const std::vector<Sequence>& lanes,
                                                                 const typename Sequence::value_type& pad) {
    std::size_t length = 0;
    for (const Sequence& lane : lanes) length = std::max(length, lane.size());
    std::vector<std::vector<typename Sequence::value_type>> steps(length);
    for (std::size_t t = 0; t < length; ++t) {
        steps[t].reserve(lanes.size());
        for (const Sequence& lane : lanes) steps[t].push_back(t < lane.size() ? lane[t] : pad);
    }
    return steps;
}

}  // namespace charrnn
