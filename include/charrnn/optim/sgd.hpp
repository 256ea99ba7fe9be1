#pragma once

#include <cstddef>
#include <cstdint>
#include <map>
#include <ostream>
#include <string>

#include <charrnn/core/simd.hpp>
#include <charrnn/optim/check_setting.hpp>

namespace charrnn {

/// Settings of SGD.
struct SGDOptions {
    double momentum = 0;      ///< the share of v that a step keeps; 0: none
    bool nesterov = false;    ///< Nesterov's momentum
    double weight_decay = 0;  ///< the share of p that the gradient gets; 0: none
};

/// Stochastic gradient descent, with momentum by choice.
///
///     g = g + weight_decay p,   v = momentum v + g
///     p = p - lr v,   with nesterov: p = p - lr (g + momentum v)
///
/// Source: Polyak 1964; Sutskever et al. 2013 (Nesterov's), in the form of PyTorch's torch.optim.SGD
struct SGD {
    double lr = 0.1;     ///< the learning rate
    SGDOptions options;  ///< the others

    static constexpr std::size_t slots = 1;  ///< v
    static constexpr const char* short_name = "sgd";
    /// What a checkpoint says of it, the learning rate aside.
    [[nodiscard]] std::map<std::string, double> settings() const {
        return {{options.nesterov ? "nesterov" : "momentum", options.momentum},
                {"weight decay", options.weight_decay}};
    }

    SGD() = default;
    explicit SGD(double lr_, SGDOptions options_ = {}) : lr(lr_), options(options_) {}

    /// Errors: value_error for settings out of range
    void check() const {
        detail::check_setting("SGD: momentum", options.momentum);
        detail::check_setting("SGD: weight_decay", options.weight_decay);
    }

    template <class T>
    struct Factors {
        T momentum, ahead, now, decay, rate;
    };

    template <class T>
    [[nodiscard]] Factors<T> factors(std::uint64_t, double rate) const {
        const auto m = static_cast<T>(options.momentum);
        return {m, options.nesterov ? m : T(1), T(options.nesterov ? 1 : 0),
                static_cast<T>(options.weight_decay), static_cast<T>(rate)};
    }

    template <class V>
    CHARRNN_INLINE void update(V& p, const V& g, V (&slot)[1], const Factors<typename V::scalar>& f) const {
        const V d = fma(V::all(f.decay), p, g);
        slot[0] = fma(V::all(f.momentum), slot[0], d);
        p = p - f.rate * fma(V::all(f.ahead), slot[0], f.now * d);
    }

    friend std::ostream& operator<<(std::ostream& out, const SGD& s) {
        out << "SGD(" << s.lr;
        if (s.options.momentum != 0)
            out << (s.options.nesterov ? ", nesterov " : ", momentum ") << s.options.momentum;
        if (s.options.weight_decay != 0) out << ", weight_decay " << s.options.weight_decay;
        return out << ")";
    }
};

}  // namespace charrnn
