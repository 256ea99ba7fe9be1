#pragma once

#include <cmath>
#include <map>
#include <ostream>
#include <string>

#include <charrnn/core/error.hpp>
#include <charrnn/core/simd.hpp>
#include <charrnn/core/vecmath.hpp>

/// @file
/// Activation functions as values, so that a layer can take any of them, a user's own among them.

namespace charrnn {

/// An elementwise function y = f(x) and its slope dy/dx as a function of x and y.
struct Activation {
    /// Which function; those but `custom` are compiled into the kernels.
    enum class Kind { identity, tanh, sigmoid, relu, custom };

    Kind kind = Kind::identity;                     ///< which function
    const char* name = "identity";                  ///< as it is printed
    double (*value)(double x) = nullptr;            ///< for Kind::custom
    double (*slope)(double x, double y) = nullptr;  ///< for Kind::custom

    /// y = f(x) on a vector.
    template <class V>
    CHARRNN_INLINE V apply(const V& x) const {
        switch (kind) {
            case Kind::tanh:
                return simd::tanh(x);
            case Kind::sigmoid:
                return simd::sigmoid(x);
            case Kind::relu:
                return max(x, V::all(0));  // a NaN stays
            case Kind::custom: {
                V y = x;
                for (std::size_t i = 0; i < V::size; ++i)
                    y.v[i] = static_cast<typename V::scalar>(value(static_cast<double>(x.v[i])));
                return y;
            }
            case Kind::identity:
                break;
        }
        return x;
    }

    /// dy/dx on a vector.
    template <class V>
    CHARRNN_INLINE V derivative(const V& x, const V& y) const {
        using T = typename V::scalar;
        switch (kind) {
            case Kind::tanh:
                return T(1) - y * y;
            case Kind::sigmoid:
                return y * (T(1) - y);
            case Kind::relu:
                return where_positive(x, V::all(1), V::all(0));
            case Kind::custom: {
                V d = x;
                for (std::size_t i = 0; i < V::size; ++i)
                    d.v[i] = static_cast<T>(slope(static_cast<double>(x.v[i]), static_cast<double>(y.v[i])));
                return d;
            }
            case Kind::identity:
                break;
        }
        return V::all(T(1));
    }

    friend bool operator==(const Activation&, const Activation&) = default;
    friend std::ostream& operator<<(std::ostream& out, const Activation& a) { return out << a.name; }
};

/// The activations that come with the library.
namespace activation {

inline constexpr Activation identity{Activation::Kind::identity, "identity"};  ///< y = x
inline constexpr Activation tanh{Activation::Kind::tanh, "tanh"};              ///< y = tanh(x)
inline constexpr Activation sigmoid{Activation::Kind::sigmoid, "sigmoid"};     ///< y = 1 / (1 + e^-x)
inline constexpr Activation relu{Activation::Kind::relu, "relu"};              ///< y = max(x, 0)

/// One of them by its name. Errors: value_error if none is called so
inline Activation named(const std::string& name) {
    for (const Activation& a : {identity, tanh, sigmoid, relu})
        if (name == a.name) return a;
    throw value_error("no activation is called '" + name + "': expected identity, tanh, sigmoid or relu");
}

/// A user's own: value(x), and slope(x, y) = dy/dx.
constexpr Activation custom(const char* name, double (*value)(double), double (*slope)(double, double)) {
    return {Activation::Kind::custom, name, value, slope};
}

}  // namespace activation
}  // namespace charrnn
