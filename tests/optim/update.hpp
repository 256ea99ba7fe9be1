#pragma once

#include <cstddef>
#include <cstdint>
#include <limits>
#include <vector>

#include <charrnn/core/buffer.hpp>
#include <charrnn/core/random.hpp>
#include <charrnn/optim/optimiser.hpp>
#include "levels.hpp"

/// @file
/// Optimisers on some numbers, for comparison with a rule for one number in double.

namespace charrnn::test {

/// The largest difference after `steps` steps between the optimiser on 37 numbers, with random gradients, and
/// rule(p, g, slots, t) on each; at every instruction set.
template <class T, class O, class Rule>
double worst_update(const O& optimiser, int steps, double lr, Rule rule) {
    constexpr std::size_t n = 37;
    double worst = 0;
    for (const Simd level : levels()) {
        Random random(4);
        std::vector<T> p(n), g(n);
        std::vector<double> q(n);
        std::vector<std::vector<double>> kept(n, std::vector<double>(O::slots));
        std::vector<Buffer<T>> slots(O::slots);
        std::vector<T*> pointers;
        for (auto& slot : slots) {
            slot.resize(n);
            pointers.push_back(slot.data());
        }
        for (std::size_t i = 0; i < n; ++i) q[i] = static_cast<double>(p[i] = T(random.normal()));
        for (int t = 1; t <= steps; ++t) {
            for (auto& x : g) x = static_cast<T>(random.normal());
            const detail::Stretch<T> stretch{p.data(), g.data(), pointers.data(), 0, n};
            simd::dispatch(level, detail::UpdateStretch<O, T>{
                                      optimiser, stretch,
                                      optimiser.template factors<T>(static_cast<std::uint64_t>(t), lr),
                                      T(0.5), std::numeric_limits<T>::infinity()});
            for (std::size_t i = 0; i < n; ++i) {
                rule(q[i], 0.5 * static_cast<double>(g[i]), kept[i], t);
                worst = std::max(worst, std::abs(static_cast<double>(p[i]) - q[i]));
            }
        }
    }
    return worst;
}

}  // namespace charrnn::test
