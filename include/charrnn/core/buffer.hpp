#pragma once

#include <cstddef>
#include <new>
#include <vector>

/// @file
/// Aligned working memory for kernels.

namespace charrnn {

namespace detail {

/// std::allocator with the alignment of a cache line.
template <class T>
struct CacheLineAllocator {
    using value_type = T;
    static constexpr std::align_val_t line{64};

    CacheLineAllocator() = default;
    template <class U>
    explicit CacheLineAllocator(const CacheLineAllocator<U>&) {}
    template <class U>
    struct rebind {
        using other = CacheLineAllocator<U>;
    };

    T* allocate(std::size_t n) { return static_cast<T*>(::operator new(n * sizeof(T), line)); }
    void deallocate(T* p, std::size_t) noexcept { ::operator delete(p, line); }

    friend bool operator==(const CacheLineAllocator&, const CacheLineAllocator&) { return true; }
};

}  // namespace detail

/// A vector whose first element starts a cache line.
template <class T>
using Buffer = std::vector<T, detail::CacheLineAllocator<T>>;

/// The smallest multiple of `unit` that is at least n.
constexpr std::size_t round_up(std::size_t n, std::size_t unit) { return (n + unit - 1) / unit * unit; }

/// The distance between rows of a working array: room for whole vectors, and an odd number of cache lines, so
/// that rows do not all fall into the same sets of the cache.
template <class T>
constexpr std::size_t row_stride(std::size_t columns) {
    constexpr std::size_t line = 64 / sizeof(T);
    const std::size_t lines = round_up(columns, line) / line;
    return (lines | 1) * line;
}

}  // namespace charrnn
