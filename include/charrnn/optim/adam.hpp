#pragma once

#include <cmath>
#include <cstddef>
#include <cstdint>
#include <map>
#include <ostream>
#include <string>

#include <charrnn/core/simd.hpp>
#include <charrnn/core/vecmath.hpp>

namespace charrnn {

/// Adam.
///
///     m = beta1 m + (1 - beta1) g,   v = beta2 v + (1 - beta2) g^2
///     p = p - lr (m / (1 - beta1^t)) / (sqrt(v / (1 - beta2^t)) + epsilon)     in step t = 1, 2, ...
///
/// Source: Kingma and Ba 2015, algorithm 1
struct Adam {
    double lr = 0.001;
    double beta1 = 0.9;
    double beta2 = 0.999;
    double epsilon = 1e-8;

    static constexpr std::size_t slots = 2;  ///< m and v
    static constexpr const char* short_name = "adam";
    /// What a checkpoint says of it, the learning rate aside.
    [[nodiscard]] std::map<std::string, double> settings() const {
        return {{"beta1", beta1}, {"beta2", beta2}, {"epsilon", epsilon}};
    }

    Adam() = default;
    explicit Adam(double lr_, double beta1_ = 0.9, double beta2_ = 0.999, double epsilon_ = 1e-8)
        : lr(lr_), beta1(beta1_), beta2(beta2_), epsilon(epsilon_) {}

    template <class T>
    struct Factors {
        T beta1, rest1, beta2, rest2, rate, unbias2, epsilon;
    };

    template <class T>
    [[nodiscard]] Factors<T> factors(std::uint64_t step, double rate) const {
        const auto t = static_cast<double>(step);
        return {static_cast<T>(beta1),
                static_cast<T>(1 - beta1),
                static_cast<T>(beta2),
                static_cast<T>(1 - beta2),
                static_cast<T>(rate / (1 - std::pow(beta1, t))),
                static_cast<T>(1 / (1 - std::pow(beta2, t))),
                static_cast<T>(epsilon)};
    }

    template <class V>
    CHARRNN_INLINE void update(V& p, const V& g, V (&slot)[2], const Factors<typename V::scalar>& f) const {
        slot[0] = fma(g, V::all(f.rest1), f.beta1 * slot[0]);
        slot[1] = fma(f.rest2 * g, g, f.beta2 * slot[1]);
        p = p - f.rate * slot[0] / (simd::sqrt(f.unbias2 * slot[1]) + V::all(f.epsilon));
    }

    friend std::ostream& operator<<(std::ostream& out, const Adam& a) {
        return out << "Adam(" << a.lr << ", (" << a.beta1 << ", " << a.beta2 << "))";
    }
};

}  // namespace charrnn
