#pragma once

#include <cstddef>
#include <cstdint>
#include <utility>

#include <charrnn/core/buffer.hpp>
#include <charrnn/core/simd.hpp>
#include <charrnn/core/turn.hpp>

/// @file
/// Products of floats on the processor's matrix unit (AMX).
///
/// The unit multiplies numbers of 8 significant bits (bfloat16) and adds up floats, some fourteen times as fast as vectors
/// of floats are multiplied. A float has 24 significant bits, so it is the sum of three such numbers, x = h + m + l. Of
/// the nine products of two floats' parts the six largest are made; what the others add is below 2^-23 of the product,
/// about the rounding of one addition. Sums are nearer to the exact ones than those of vectors of floats, since the unit adds
/// pairs. What is below the smallest normal number counts as zero; an infinity, or what rounds to one, gives a NaN.
///
/// Every factor is cut before: into *strips* of 16 rows of A or 16 columns of B, a strip into *steps* of 32 of the inner
/// extent, a step into three tiles of 1 kB, the parts h, m and l of all its numbers. A tile's line holds a row of A, or a
/// column of B for each of its 16 pairs; two numbers that are 16 apart in the inner extent make a pair.
///
/// Source: Intel, Architecture Instruction Set Extensions Programming Reference, chapter 3 (tiles); Henry, Tang and Heinecke
/// 2019, Leveraging the bfloat16 artificial intelligence datatype for higher-precision computations (three parts).

namespace charrnn::detail::amx {

constexpr std::size_t strip = 16;       ///< rows of A or columns of B
constexpr std::size_t step = 32;        ///< of the inner extent
constexpr std::size_t line = 16;        ///< pairs, each in a float's place
constexpr std::size_t tile = 256;       ///< floats' places
constexpr std::size_t step_size = 768;  ///< floats' places, for the three parts

/// How many floats' places a strip takes.
constexpr std::size_t strip_size(std::size_t depth) { return tiles_of(depth, step) * step_size; }

/// Working memory of this thread for so many floats, kept until the next call; its contents are lost.
inline float* room(std::size_t size) {
    thread_local Buffer<float> memory;
    if (memory.size() < size) memory.resize(size);
    return memory.data();
}

#if defined(__x86_64__)
/// Run a kernel of this file's kind; simd::level() must have said that there is a matrix unit.
template <class Kernel>
[[gnu::noinline, gnu::target("avx512f,avx512dq,avx512vl,avx512bw,avx2,fma,amx-tile,amx-bf16")]] void run(
    const Kernel& kernel) {
    kernel(simd::Avx512{});
}
#else
template <class Kernel>
void run(const Kernel&) {}
#endif

/// A vector of the kernels'.
using Vector = simd::Pack<float, 64>;

/// Write the parts of x0 and x1 as pairs into a line of three tiles.
CHARRNN_INLINE void cut(const Vector& x0, const Vector& x1, float* to) {
    typedef std::uint32_t bits __attribute__((vector_size(64)));
    Vector left0 = x0, left1 = x1;
    CHARRNN_UNROLL
    for (std::size_t part = 0; part < 3; ++part) {
        bits b0, b1;
        __builtin_memcpy(&b0, &left0.v, sizeof b0);
        __builtin_memcpy(&b1, &left1.v, sizeof b1);
        if (part < 2) {  // to the nearest; of the last part nothing is left
            b0 += 0x8000U;
            b1 += 0x8000U;
        }
        const bits pairs = (b0 >> 16) | (b1 & 0xFFFF0000U);
        __builtin_memcpy(to + part * tile, &pairs, sizeof pairs);
        if (part < 2) {
            b0 &= 0xFFFF0000U;
            b1 &= 0xFFFF0000U;
            Vector part0, part1;
            __builtin_memcpy(&part0.v, &b0, sizeof b0);
            __builtin_memcpy(&part1.v, &b1, sizeof b1);
            left0 = left0 - part0;
            left1 = left1 - part1;
        }
    }
}

/// The sizes of this thread's tile registers: 0 and 1 hold C's first strip of rows, 2 and 3 its second, 4 and 5 A's, 6 and 7
/// two strips of B.
class Registers {
  public:
    Registers() = default;
    Registers(const Registers&) = delete;
    Registers& operator=(const Registers&) = delete;
    CHARRNN_INLINE ~Registers() { __asm__ volatile("tilerelease"); }

    /// The strips of A and C have so many rows.
    CHARRNN_INLINE void set(std::size_t rows0, std::size_t rows1) {
        if (rows0 == rows0_ && rows1 == rows1_) return;
        rows0_ = rows0;
        rows1_ = rows1;
        alignas(64) std::uint8_t config[64] = {1};
        const std::uint8_t rows[8] = {of(rows0), of(rows0), of(rows1), of(rows1),
                                      of(rows0), of(rows1), of(line),  of(line)};
        for (std::size_t i = 0; i < 8; ++i) {
            config[16 + 2 * i] = 64;  // bytes of a line
            config[48 + i] = rows[i];
        }
        __asm__ volatile("ldtilecfg\t%0" ::"m"(config));
    }

  private:
    CHARRNN_INLINE static std::uint8_t of(std::size_t rows) { return static_cast<std::uint8_t>(rows); }
    std::size_t rows0_ = 0, rows1_ = 0;
};

/// A tile register from memory whose lines stand `stride` bytes apart, and to it.
template <int Register>
CHARRNN_INLINE void load(const float* from, std::size_t stride = 64) {
    __asm__ volatile("tileloadd\t{(%0,%1,1), %%tmm%c2|tmm%c2, [%0+%1*1]}" ::"r"(from), "r"(stride),
                     "i"(Register)
                     : "memory");
}
template <int Register>
CHARRNN_INLINE void store(float* to, std::size_t stride) {
    __asm__ volatile("tilestored\t{%%tmm%c2, (%0,%1,1)|[%0+%1*1], tmm%c2}" ::"r"(to), "r"(stride),
                     "i"(Register)
                     : "memory");
}
template <int Register>
CHARRNN_INLINE void clear() {
    __asm__ volatile("tilezero\t{%%tmm%c0|tmm%c0}" ::"i"(Register));
}
/// C += A B
template <int C, int A, int B>
CHARRNN_INLINE void multiply() {
    __asm__ volatile("tdpbf16ps\t{%%tmm%c2, %%tmm%c1, %%tmm%c0|tmm%c0, tmm%c1, tmm%c2}" ::"i"(C), "i"(A),
                     "i"(B));
}

/// A product that nobody reads, where no sums are in the registers. Without one for some thousand cycles the unit falls
/// asleep, and takes as long to wake up: what stands between blocks calls this once in a few hundred.
CHARRNN_INLINE void stay_awake() { multiply<0, 4, 6>(); }

/// Call the operator() of f with 2 as template argument and the first of each pair of n strips, and with 1 for one that is
/// left.
template <class F>
CHARRNN_INLINE void for_each_pair(std::size_t n, const F& f) {
    for (std::size_t i = 0; i + 1 < n; i += 2) f.template operator()<2>(i);
    if (n % 2 == 1) f.template operator()<1>(n - 1);
}

/// A block of C: one or two strips of rows by two vectors.
template <int Strips>
struct Block {
    const float* a[2];  ///< strips of A
    const float* b[2];  ///< strips of B
    float* c[2];        ///< the strips' first rows
    std::size_t ld;     ///< from a row of C to the next
    std::size_t to[2];  ///< where the vectors stand in a row of C; both in one place if there is only one

    CHARRNN_INLINE void clear_sums() const {
        clear<0>(), clear<1>();
        if constexpr (Strips == 2) clear<2>(), clear<3>();
    }
    /// Begin from this row.
    CHARRNN_INLINE void load_row(const float* row) const {
        load<0>(row + to[0], 0), load<1>(row + to[1], 0);
        if constexpr (Strips == 2) load<2>(row + to[0], 0), load<3>(row + to[1], 0);
    }
    CHARRNN_INLINE void load_sums() const {
        const std::size_t stride = ld * sizeof(float);
        load<0>(c[0] + to[0], stride), load<1>(c[0] + to[1], stride);
        if constexpr (Strips == 2) load<2>(c[1] + to[0], stride), load<3>(c[1] + to[1], stride);
    }
    CHARRNN_INLINE void store_sums() const {
        const std::size_t stride = ld * sizeof(float);
        store<0>(c[0] + to[0], stride), store<1>(c[0] + to[1], stride);
        if constexpr (Strips == 2) store<2>(c[1] + to[0], stride), store<3>(c[1] + to[1], stride);
    }
    /// C += A B over so many steps. The unit takes a new B as long as a product, so the products with one B stand together.
    CHARRNN_INLINE void multiply_steps(std::size_t steps) const {
        constexpr std::size_t h = 0, m = tile, l = 2 * tile;
        for (std::size_t at = 0; at < steps * step_size; at += step_size) {
            load_a(at + h);
            load<6>(b[0] + at + l), left(), load<7>(b[1] + at + l), right();
            load<6>(b[0] + at + m), left(), load<7>(b[1] + at + m), right();
            load_a(at + m), right(), left();
            load<6>(b[0] + at + h), left(), load<7>(b[1] + at + h), right();
            load_a(at + l), right(), left();
            load_a(at + h), left(), right();
        }
    }

  private:
    CHARRNN_INLINE void load_a(std::size_t at) const {
        load<4>(a[0] + at);
        if constexpr (Strips == 2) load<5>(a[1] + at);
    }
    CHARRNN_INLINE static void left() {
        multiply<0, 4, 6>();
        if constexpr (Strips == 2) multiply<2, 5, 6>();
    }
    CHARRNN_INLINE static void right() {
        multiply<1, 4, 7>();
        if constexpr (Strips == 2) multiply<3, 5, 7>();
    }
};

/// A strip of B, of which `count` columns count: row k stands at from(k).
template <class F>
CHARRNN_INLINE void cut_columns(const F& from, std::size_t depth, std::size_t count, float* to) {
    for (std::size_t k = 0; k < depth; ++k) {
        Vector x0, x1;
        const bool pair = k + line < depth;
        simd::load_some(from(k), count, x0);
        simd::load_some(from(pair ? k + line : k), pair ? count : 0, x1);
        cut(x0, x1, to + k / step * step_size + k % step * line);
        if (k % step == line - 1) k += line;
    }
    if (const std::size_t rest = depth % step; rest > 0 && rest < line)
        for (std::size_t i = rest; i < line; ++i)
            for (std::size_t part = 0; part < 3; ++part)
                Vector::all(0).store(to + depth / step * step_size + part * tile + i * line);
}

/// A step from two blocks of 16 rows, of which load(block, i, x) gives row i: what stands at place j of the rows makes line
/// j of `lines`.
template <class F>
CHARRNN_INLINE void cut_turned(const F& load, std::size_t lines, float* to) {
    float columns[2][strip * line];
    for (std::size_t h = 0; h < 2; ++h) {
        Vector x[line];
        CHARRNN_UNROLL
        for (std::size_t i = 0; i < line; ++i) load(h, i, x[i]);
        simd::turn(x);
        CHARRNN_UNROLL
        for (std::size_t i = 0; i < line; ++i) x[i].store(columns[h] + i * line);
    }
    for (std::size_t i = 0; i < lines; ++i)
        cut(Vector::load(columns[0] + i * line), Vector::load(columns[1] + i * line), to + i * line);
}

}  // namespace charrnn::detail::amx
