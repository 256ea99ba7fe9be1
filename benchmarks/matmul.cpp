#include <cblas.h>

#include <cstddef>
#include <cstdint>
#include <numeric>
#include <string>
#include <vector>

#include <charrnn/core/buffer.hpp>
#include <charrnn/core/matmul.hpp>
#include <charrnn/core/outer.hpp>
#include <charrnn/core/random.hpp>

#include "cases.hpp"

extern "C" void openblas_set_num_threads(int);

/// The product kernels, and OpenBLAS on the same sizes and strides, each on one thread. The weights are packed
/// beforehand, as in a window; OpenBLAS has no interface for that, and packs in every call.

namespace {

using namespace charrnn;
using namespace charrnn::bench;

Buffer<float> random_numbers(std::size_t n) {
    Buffer<float> x(n);
    Random random(1);
    for (auto& v : x) v = static_cast<float>(random.uniform(-1, 1));
    return x;
}

int blas(std::size_t n) { return static_cast<int>(n); }

Work product(std::size_t m, std::size_t n, std::size_t k) {
    return {.flops = 2.0 * static_cast<double>(m) * static_cast<double>(n) * static_cast<double>(k)};
}

std::string size_name(std::size_t m, std::size_t n, std::size_t k) {
    return std::to_string(m) + "x" + std::to_string(n) + "x" + std::to_string(k);
}

/// C (m, n) = A (m, k) B (k, n).
void add_matmul(Cases& cases, std::size_t m, std::size_t n, std::size_t k) {
    const std::string name = "matmul/" + size_name(m, n, k);
    cases.add(name + "/charrnn", [=](Case& c) {
        const std::size_t a_ld = row_stride<float>(k), c_ld = row_stride<float>(n);
        const Buffer<float> a = random_numbers(m * a_ld), b = random_numbers(k * n);
        Buffer<float> result(m * c_ld);
        const Simd level = simd::level();
        PackedMatrix<float> packed(level, k, plain_columns(n, simd::width(level) / sizeof(float)),
                                   matmul_panel(level));
        packed.pack({b.data(), k, n});
        c.measure(product(m, n, k), [&] {
            matmul<float>({a.data(), a_ld, m}, packed, {result.data(), c_ld, m});
            keep(result.data());
        });
    });
    cases.add(name + "/openblas", [=](Case& c) {
        const std::size_t a_ld = row_stride<float>(k), c_ld = row_stride<float>(n);
        const Buffer<float> a = random_numbers(m * a_ld), b = random_numbers(k * n);
        Buffer<float> result(m * c_ld);
        openblas_set_num_threads(1);
        c.measure(product(m, n, k), [&] {
            cblas_sgemm(CblasRowMajor, CblasNoTrans, CblasNoTrans, blas(m), blas(n), blas(k), 1.0F, a.data(),
                        blas(a_ld), b.data(), blas(n), 0.0F, result.data(), blas(c_ld));
            keep(result.data());
        });
    });
}

/// C (m, n) = A^T B over k rows: a weight gradient.
void add_outer(Cases& cases, std::size_t m, std::size_t n, std::size_t k) {
    const std::string name = "outer/" + size_name(m, n, k);
    cases.add(name + "/charrnn", [=](Case& c) {
        const std::size_t a_ld = row_stride<float>(m), b_ld = row_stride<float>(n);
        const Buffer<float> a = random_numbers(k * a_ld), b = random_numbers(k * b_ld);
        OuterSums<float> result(simd::level(), m, n);
        std::vector<std::uint32_t> rows(k);
        std::iota(rows.begin(), rows.end(), 0U);
        const Range all{0, tiles_of(n, simd::width(simd::level()) / sizeof(float))};
        c.measure(product(m, n, k), [&] {
            matmul_outer<float, 1>(simd::level(), {{{{a.data(), k, m, a_ld}, &result}}},
                                   {b.data(), k, n, b_ld}, rows, nullptr, all);
            keep(result.at(0, 0));
        });
    });
    cases.add(name + "/openblas", [=](Case& c) {
        const std::size_t a_ld = row_stride<float>(m), b_ld = row_stride<float>(n);
        const Buffer<float> a = random_numbers(k * a_ld), b = random_numbers(k * b_ld);
        Buffer<float> result(m * b_ld);
        openblas_set_num_threads(1);
        c.measure(product(m, n, k), [&] {
            cblas_sgemm(CblasRowMajor, CblasTrans, CblasNoTrans, blas(m), blas(n), blas(k), 1.0F, a.data(),
                        blas(a_ld), b.data(), blas(b_ld), 0.0F, result.data(), blas(b_ld));
            keep(result.data());
        });
    });
}

const AddCases added([](Cases& cases) {
    // One step of the recurrent product, forward and backward: LSTM 128 (25 and 50 lanes), RNN 256, LSTM 512.
    add_matmul(cases, 25, 512, 128);
    add_matmul(cases, 25, 128, 512);
    add_matmul(cases, 50, 512, 128);
    add_matmul(cases, 50, 128, 512);
    add_matmul(cases, 25, 256, 256);
    add_matmul(cases, 64, 2048, 512);
    add_matmul(cases, 64, 512, 2048);
    add_matmul(cases, 1, 512, 128);
    // A window at once: the second layer's input, forward and backward, and the Dense layer.
    add_matmul(cases, 2500, 512, 128);
    add_matmul(cases, 2500, 128, 512);
    add_matmul(cases, 2500, 101, 128);
    // Weight gradients.
    add_outer(cases, 128, 512, 2500);
    add_outer(cases, 256, 256, 2500);
    add_outer(cases, 512, 2048, 4096);
    add_outer(cases, 128, 101, 2500);
});

}  // namespace
