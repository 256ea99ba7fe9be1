#pragma once

#include <cstddef>
#include <map>
#include <ostream>
#include <string>

#include <charrnn/core/error.hpp>
#include <charrnn/nn/layer.hpp>

/// @file
/// A layer as data: what a file says about it, and what a Registry makes it from again.

namespace charrnn {

/// The type of a layer by its registered name, its widths, and its options as text.
struct LayerSpec {
    std::string type;
    std::size_t in = 0;  ///< D
    /// H, or K
    std::size_t out = 0;
    std::map<std::string, std::string> options{};  ///< text by name

    /// An option, or `otherwise` if it is not given.
    [[nodiscard]] std::string option(const std::string& name, const std::string& otherwise) const {
        const auto found = options.find(name);
        return found == options.end() ? otherwise : found->second;
    }

    /// Whether a layer is what this asks for; options that are not named here may be anything, so that files stay
    /// readable when a layer gets a new one.
    [[nodiscard]] bool is_met_by(const LayerSpec& layer) const {
        for (const auto& [name, value] : options)
            if (const auto its = layer.options.find(name); its == layer.options.end() || its->second != value)
                return false;
        return type == layer.type && in == layer.in && out == layer.out;
    }

    friend bool operator==(const LayerSpec&, const LayerSpec&) = default;
    /// rnn(101, 128, activation = relu)
    friend std::ostream& operator<<(std::ostream& stream, const LayerSpec& s) {
        stream << s.type << "(" << s.in << ", " << s.out;
        for (const auto& [name, value] : s.options) stream << ", " << name << " = " << value;
        return stream << ")";
    }
};

namespace detail {

/// The spec of a cell or a layer that has a `short_name` and perhaps `options()`, a map of text.
template <class X>
LayerSpec named_spec(const X& x, std::size_t in, std::size_t out) {
    if constexpr (requires { std::string(X::short_name); }) {
        LayerSpec spec{.type = X::short_name, .in = in, .out = out};
        if constexpr (requires { x.options(); }) spec.options = x.options();
        return spec;
    } else {
        throw value_error(printed(x) +
                          ": cannot be saved, for its type has no short_name, the name that Registry "
                          "knows it by");
    }
}

}  // namespace detail

/// The spec of a layer: its own `spec()`, or its cell's or its own short_name and options.
/// Errors: value_error for a type without a short_name
template <class L>
LayerSpec layer_spec(const L& layer) {
    if constexpr (requires { LayerSpec(layer.spec()); })
        return layer.spec();
    else if constexpr (requires { layer.cell(); })
        return detail::named_spec(layer.cell(), layer.in_size(), layer.out_size());
    else
        return detail::named_spec(layer, layer.in_size(), layer.out_size());
}

}  // namespace charrnn
