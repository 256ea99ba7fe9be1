#pragma once

#include <cstddef>
#include <new>
#include <vector>

#if defined(__linux__)
#include <sys/mman.h>
#endif

/// @file
/// Aligned working memory for kernels.

namespace charrnn {

namespace detail {

/// An allocator with the alignment of a cache line, and for large arrays that of a huge page, which the system is
/// asked to use: kernels walk columns of arrays of many megabytes, a new small page at each row.
template <class T>
struct CacheLineAllocator {
    using value_type = T;

    CacheLineAllocator() = default;
    template <class U>
    explicit CacheLineAllocator(const CacheLineAllocator<U>&) {}
    template <class U>
    struct rebind {
        using other = CacheLineAllocator<U>;
    };

    static std::align_val_t alignment(std::size_t bytes) {
        return std::align_val_t{bytes >= (std::size_t{1} << 20U) ? std::size_t{2} << 20U : 64};
    }
    T* allocate(std::size_t n) {
        const std::size_t bytes = n * sizeof(T);
        void* p = ::operator new(bytes, alignment(bytes));
#if defined(__linux__)
        if (alignment(bytes) > std::align_val_t{64})
            ::madvise(p, bytes, MADV_HUGEPAGE);  // a wish: it may fail
#endif
        return static_cast<T*>(p);
    }
    void deallocate(T* p, std::size_t n) noexcept { ::operator delete(p, alignment(n * sizeof(T))); }

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
