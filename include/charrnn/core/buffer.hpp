#pragma once

#include <cstddef>
#include <cstdint>
#include <new>
#include <vector>

#if defined(__linux__)
#include <sys/mman.h>
#endif

/// @file
/// Aligned working memory for kernels.

namespace charrnn {

namespace detail {

/// An allocator with the alignment of a cache line, which asks the system for huge pages where the array is large:
/// kernels walk columns of arrays of many megabytes, a new small page at each row.
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

    T* allocate(std::size_t n) {
        const std::size_t bytes = n * sizeof(T);
        auto* p = static_cast<char*>(::operator new(bytes, line));
#if defined(__linux__)
        constexpr std::size_t page = 4096, huge = std::size_t{2} << 20U;
        if (bytes >= huge) {
            char* first = p + (page - reinterpret_cast<std::uintptr_t>(p) % page) % page;
            ::madvise(first, (bytes - static_cast<std::size_t>(first - p)) / page * page,
                      MADV_HUGEPAGE);  // a wish
        }
#endif
        return reinterpret_cast<T*>(p);
    }
    void deallocate(T* p, std::size_t) noexcept { ::operator delete(p, line); }

    friend bool operator==(const CacheLineAllocator&, const CacheLineAllocator&) { return true; }
};

}  // namespace detail

/// A vector whose first element starts a cache line.
template <class T>
using Buffer = std::vector<T, detail::CacheLineAllocator<T>>;

/// How many tiles of `size` cover n.
constexpr std::size_t tiles_of(std::size_t n, std::size_t size) { return (n + size - 1) / size; }

/// The smallest multiple of `unit` that is at least n.
constexpr std::size_t round_up(std::size_t n, std::size_t unit) { return tiles_of(n, unit) * unit; }

/// The distance between rows of a working array: room for whole vectors, and an odd number of cache lines, so
/// that rows do not all fall into the same sets of the cache.
template <class T>
constexpr std::size_t row_stride(std::size_t columns) {
    constexpr std::size_t line = 64 / sizeof(T);
    const std::size_t lines = round_up(columns, line) / line;
    return (lines | 1) * line;
}

}  // namespace charrnn
