#pragma once

#include <cmath>
#include <cstddef>
#include <cstdint>
#include <map>
#include <ostream>
#include <string>

#include <charrnn/core/simd.hpp>
#include <charrnn/core/vecmath.hpp>
#include <charrnn/optim/check_setting.hpp>

namespace charrnn {

/// Adam, with weight decay by choice: coupled (added to the gradient, PyTorch's Adam) or decoupled (AdamW).
///
///     coupled:   g = g + weight_decay p            decoupled:   p = p - lr weight_decay p
///     m = beta1 m + (1 - beta1) g,   v = beta2 v + (1 - beta2) g^2
///     p = p - lr (m / (1 - beta1^t)) / (sqrt(v / (1 - beta2^t)) + epsilon)     in step t = 1, 2, ...
///
/// Source: Kingma and Ba 2015, algorithm 1; Loshchilov and Hutter 2019 (decoupled)
struct Adam {
    double lr = 0.001;        ///< the learning rate
    double beta1 = 0.9;       ///< of the mean
    double beta2 = 0.999;     ///< of the mean square
    double epsilon = 1e-8;    ///< keeps the root from zero
    double weight_decay = 0;  ///< the share of p that the gradient gets, or p loses; 0: none
    bool decoupled = false;   ///< weight decay apart from the gradient: AdamW

    static constexpr std::size_t slots = 2;  ///< m and v
    static constexpr const char* short_name = "adam";
    /// What a checkpoint says of it, the learning rate aside.
    [[nodiscard]] std::map<std::string, double> settings() const {
        std::map<std::string, double> list{{"beta1", beta1}, {"beta2", beta2}, {"epsilon", epsilon}};
        if (weight_decay != 0) list[decoupled ? "decoupled weight decay" : "weight decay"] = weight_decay;
        return list;
    }

    Adam() = default;
    explicit Adam(double lr_, double beta1_ = 0.9, double beta2_ = 0.999, double epsilon_ = 1e-8,
                  double weight_decay_ = 0, bool decoupled_ = false)
        : lr(lr_),
          beta1(beta1_),
          beta2(beta2_),
          epsilon(epsilon_),
          weight_decay(weight_decay_),
          decoupled(decoupled_) {}

    /// Errors: value_error for settings out of range
    void check() const {
        detail::check_setting("Adam: beta1", beta1, 1);
        detail::check_setting("Adam: beta2", beta2, 1);
        detail::check_setting("Adam: epsilon", epsilon, detail::no_limit, false);
        detail::check_setting("Adam: weight_decay", weight_decay);
    }

    template <class T>
    struct Factors {
        T beta1, rest1, beta2, rest2, rate, unbias2, epsilon, coupled, keep;
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
                static_cast<T>(epsilon),
                static_cast<T>(decoupled ? 0 : weight_decay),
                static_cast<T>(decoupled ? 1 - rate * weight_decay : 1)};
    }

    template <class V>
    CHARRNN_INLINE void update(V& p, const V& g, V (&slot)[2], const Factors<typename V::scalar>& f) const {
        const V d = fma(V::all(f.coupled), p, g);
        slot[0] = fma(d, V::all(f.rest1), f.beta1 * slot[0]);
        slot[1] = fma(f.rest2 * d, d, f.beta2 * slot[1]);
        p = f.keep * p - f.rate * slot[0] / (simd::sqrt(f.unbias2 * slot[1]) + V::all(f.epsilon));
    }

    friend std::ostream& operator<<(std::ostream& out, const Adam& a) {
        out << (a.decoupled ? "AdamW(" : "Adam(") << a.lr << ", (" << a.beta1 << ", " << a.beta2 << ")";
        if (a.weight_decay != 0) out << ", weight_decay " << a.weight_decay;
        return out << ")";
    }
};

/// Adam with decoupled weight decay: the short spelling.
inline Adam AdamW(double lr = 0.001, double weight_decay = 0.01, double beta1 = 0.9, double beta2 = 0.999,
                  double epsilon = 1e-8) {
    return Adam(lr, beta1, beta2, epsilon, weight_decay, true);
}

}  // namespace charrnn
