#pragma once

#include <cstddef>
#include <span>
#include <string>
#include <utility>
#include <vector>

#include <charrnn/core/error.hpp>
#include <charrnn/core/once.hpp>
#include <charrnn/core/tensor.hpp>

/// @file
/// Parameters by name.
///
/// A layer's parameters are a struct of arrays with `visit(f)`, which calls f(name, array) for each. The
/// gradient of the parameters is a value of the same type.

namespace charrnn {

/// One array of parameters: its name (`layers.0.cell.Wi`), its numbers and its shape.
template <class T>
struct Parameter {
    using value_type = T;
    std::string name;   ///< as `layers.0.cell.Wi`
    T* data = nullptr;  ///< the numbers, row by row
    /// (rows, columns), or (length)
    std::vector<std::size_t> shape;
    std::size_t size = 0;  ///< how many numbers

    /// The first number.
    [[nodiscard]] T* begin() const { return data; }
    /// Behind the last number.
    [[nodiscard]] T* end() const { return data + size; }
};

namespace detail {

/// One of some parameters by its name. Errors: as parameter()
template <class T>
const Parameter<T>& find_parameter(const std::vector<Parameter<T>>& list, const std::string& name) {
    std::string known;
    for (const Parameter<T>& p : list) {
        if (p.name == name) return p;
        known += (known.empty() ? "" : ", ") + p.name;
    }
    throw value_error("no parameter is called '" + name + "': expected one of " + known);
}

/// What the names of layer i's parameters begin with: "layers.1."
std::string layer_prefix(std::size_t i);

/// One more for a list.
template <class T>
void append_parameter(std::vector<Parameter<T>>& list, const std::string& prefix, const char* name, T* data,
                      std::span<const std::size_t> shape) {
    Parameter<T> p{prefix + name, data, {shape.begin(), shape.end()}, 1};
    for (const std::size_t extent : shape) p.size *= extent;
    list.push_back(std::move(p));
}

template <class T, class Params>
void append_parameters(std::vector<Parameter<T>>& list, const std::string& prefix, Params& params) {
    params.visit([&](const char* name, auto& array) {
        append_parameter(list, prefix, name, array.data(), std::span<const std::size_t>(array.shape()));
    });
}

template <class Params>
std::size_t count_parameters(const Params& params) {
    std::size_t n = 0;
    params.visit([&](const char*, const auto& array) { n += array.size(); });
    return n;
}

template <class Params>
void zero(Params& params) {
    params.visit([](const char*, auto& array) { array.fill(0); });
}

/// The parameters with another scalar.
template <class To, class From>
void convert(To& to, const From& from) {
    std::vector<void*> targets;
    to.visit([&](const char*, auto& array) { targets.push_back(&array); });
    std::size_t i = 0;
    from.visit([&](const char*, const auto& array) {
        using Array = std::decay_t<decltype(array)>;
        constexpr std::size_t rank = Array::rank;
        using Scalar = typename To::value_type;
        auto& target = *static_cast<Tensor<Scalar, rank>*>(targets[i++]);
        target.resize(array.shape());
        for (std::size_t k = 0; k < array.size(); ++k)
            target.data()[k] = static_cast<Scalar>(array.data()[k]);
    });
}

}  // namespace detail

/// A model's parameter by its name. Errors: value_error, with the names that there are.
template <class M>
auto parameter(M& model, const std::string& name) {
    const auto list = model.parameters();
    return detail::find_parameter(list, name);
}

}  // namespace charrnn

#ifdef CHARRNN_ONCE
namespace charrnn::detail {

CHARRNN_ONCE std::string layer_prefix(std::size_t i) { return "layers." + std::to_string(i) + "."; }

}  // namespace charrnn::detail
#endif
