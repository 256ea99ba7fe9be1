#pragma once

#include <cstddef>
#include <cstdint>
#include <map>
#include <ostream>
#include <string>

#include <charrnn/core/simd.hpp>
#include <charrnn/core/vecmath.hpp>
#include <charrnn/optim/check_setting.hpp>

namespace charrnn {

/// RMSProp.
///
///     g = g + weight_decay p,   v = rho v + (1 - rho) g^2
///     p = p - lr g / (sqrt(v) + epsilon)
///
/// Source: Tieleman and Hinton 2012, lecture 6.5; with PyTorch's place for epsilon. Karpathy's char-rnn: lr 0.002,
///         rho 0.95.
struct RMSProp {
    double lr = 0.01;       ///< the learning rate
    double rho = 0.99;      ///< of the mean square
    double epsilon = 1e-8;  ///< keeps the root from zero
    /// 0: none
    double weight_decay = 0;

    static constexpr std::size_t slots = 1;  ///< v
    static constexpr const char* short_name = "rmsprop";
    /// What a checkpoint says of it, the learning rate aside.
    [[nodiscard]] std::map<std::string, double> settings() const {
        return {{"rho", rho}, {"epsilon", epsilon}, {"weight decay", weight_decay}};
    }

    RMSProp() = default;
    explicit RMSProp(double lr_, double rho_ = 0.99, double epsilon_ = 1e-8, double weight_decay_ = 0)
        : lr(lr_), rho(rho_), epsilon(epsilon_), weight_decay(weight_decay_) {}

    /// Errors: value_error for settings out of range
    void check() const {
        detail::check_setting("RMSProp: rho", rho, 1);
        detail::check_setting("RMSProp: epsilon", epsilon, detail::no_limit, false);
        detail::check_setting("RMSProp: weight_decay", weight_decay);
    }

    template <class T>
    struct Factors {
        T rho, rest, epsilon, decay, rate;
    };

    template <class T>
    [[nodiscard]] Factors<T> factors(std::uint64_t, double rate) const {
        return {static_cast<T>(rho), static_cast<T>(1 - rho), static_cast<T>(epsilon),
                static_cast<T>(weight_decay), static_cast<T>(rate)};
    }

    template <class V>
    CHARRNN_INLINE void update(V& p, const V& g, V (&slot)[1], const Factors<typename V::scalar>& f) const {
        const V d = fma(V::all(f.decay), p, g);
        slot[0] = fma(f.rest * d, d, f.rho * slot[0]);
        p = p - f.rate * d / (simd::sqrt(slot[0]) + V::all(f.epsilon));
    }

    friend std::ostream& operator<<(std::ostream& out, const RMSProp& r) {
        out << "RMSProp(" << r.lr << ", " << r.rho;
        if (r.weight_decay != 0) out << ", weight_decay " << r.weight_decay;
        return out << ")";
    }
};

}  // namespace charrnn
