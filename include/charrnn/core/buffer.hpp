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

/// An allocator with the alignment of a cache line, which asks the system for huge pages where the array is large: kernels
/// walk columns of arrays of many megabytes, a new small page at each row; and small pages, which stand anywhere in memory,
/// take each other's places in the second-level cache. With `AtHugePage` a large array begins at one, so that none is lost
/// at its beginning; up to one is set apart behind its end, which takes no memory as long as nobody writes there.
template <class T, bool AtHugePage = false>
class CacheLineAllocator {
    static constexpr std::size_t line = 64, page = 4096, huge_page = std::size_t{2} << 20U;

    static constexpr std::align_val_t alignment(std::size_t bytes) {
        return std::align_val_t{AtHugePage && bytes >= huge_page ? huge_page : line};
    }

  public:
    using value_type = T;

    CacheLineAllocator() = default;
    template <class U>
    explicit CacheLineAllocator(const CacheLineAllocator<U, AtHugePage>&) {}
    template <class U>
    struct rebind {
        using other = CacheLineAllocator<U, AtHugePage>;
    };

    T* allocate(std::size_t n) {
        const std::size_t bytes = n * sizeof(T);
        auto* p = static_cast<char*>(::operator new(bytes, alignment(bytes)));
#if defined(__linux__)
        if (bytes >= huge_page) {
            char* first = p + (page - reinterpret_cast<std::uintptr_t>(p) % page) % page;
            ::madvise(first, (bytes - static_cast<std::size_t>(first - p)) / page * page,
                      MADV_HUGEPAGE);  // a wish
        }
#endif
        return reinterpret_cast<T*>(p);
    }
    void deallocate(T* p, std::size_t n) noexcept { ::operator delete(p, alignment(n * sizeof(T))); }

    friend bool operator==(const CacheLineAllocator&, const CacheLineAllocator&) { return true; }
};

}  // namespace detail

/// A vector whose first element starts a cache line.
template <class T>
using Buffer = std::vector<T, detail::CacheLineAllocator<T>>;

/// The same for what stands at every row of a window: if it is large, it starts a huge page.
template <class T>
using WindowBuffer = std::vector<T, detail::CacheLineAllocator<T, true>>;

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
