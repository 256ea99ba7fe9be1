#pragma once

#include <algorithm>
#include <cmath>
#include <cstddef>
#include <cstring>
#include <string>
#include <vector>

#include <charrnn/core/error.hpp>
#include <charrnn/core/random.hpp>
#include <charrnn/io/model_file.hpp>
#include <charrnn/io/safetensors.hpp>
#include <charrnn/nn/model.hpp>

/// @file
/// Models that were trained with PyTorch.

namespace charrnn {

namespace detail {

/// The numbers of a tensor of floats or doubles, which must have this shape. Errors: data_error; numeric_error
template <class T>
std::vector<T> foreign_numbers(const TensorFile& file, const std::string& name,
                               const std::vector<std::size_t>& shape) {
    const TensorInfo& t = file.at(name);
    if (t.shape != shape)
        throw data_error(file.name() + ": tensor " + in_quotes(name) + " has the shape " +
                         shape_text(t.shape) + ", expected " + shape_text(shape));
    std::size_t count = 1;
    for (const std::size_t extent : shape) count *= extent;
    std::vector<T> numbers(count);
    const auto convert = [&](auto x) {
        for (std::size_t i = 0; i < count; ++i) {
            std::memcpy(&x, file.data(t) + i * sizeof x, sizeof x);
            numbers[i] = static_cast<T>(x);
        }
    };
    if (t.dtype != "F32" && t.dtype != "F64")
        throw data_error(file.name() + ": tensor " + in_quotes(name) + " is of dtype " + t.dtype +
                         ", expected F32 or F64");
    t.dtype == "F32" ? convert(float()) : convert(double());  // NOLINT(bugprone-branch-clone): two types
    check_finite(numbers.data(), count, file.name() + ": tensor " + in_quotes(name));
    return numbers;
}

/// A matrix (rows, columns) into a parameter (columns, rows).
template <class T>
void put_transposed(const std::vector<T>& from, const Parameter<T>& to) {
    const std::size_t columns = to.shape[0], rows = to.shape[1];
    for (std::size_t r = 0; r < rows; ++r)
        for (std::size_t c = 0; c < columns; ++c) to.data[c * rows + r] = from[r * columns + c];
}

}  // namespace detail

/// The model of a PyTorch state dict that was saved as safetensors: torch.nn.LSTM (or torch.nn.RNN with tanh) of any
/// number of layers, then torch.nn.Linear, reading one-hot characters. Weights are transposed, and a layer's two biases
/// become their sum. The modules' own names do not matter.
///
/// Errors: data_error, naming the file and the tensor, for anything that is not of these modules (another cell, two
///         directions, projections, an embedding), or of other shapes; numeric_error for numbers that are not finite
/// Source: the layout in torch.nn.LSTM's documentation: weight_ih_l[k] (4H, D), blocks i, f, g, o, as here
template <class T = float>
Model<T> import_pytorch(const TensorFile& file) {
    const auto refuse = [&](const std::string& reason) { throw data_error(file.name() + ": " + reason); };
    const std::string mark = "weight_ih_l0";
    const TensorInfo* first = nullptr;
    for (const TensorInfo& t : file.tensors())
        if (t.name.size() >= mark.size() &&
            t.name.compare(t.name.size() - mark.size(), mark.size(), mark) == 0) {
            if (first != nullptr) refuse("there are two recurrent modules, expected one");
            first = &t;
        }
    if (first == nullptr)
        refuse("no tensor's name ends in weight_ih_l0: expected the state dict of a torch.nn.LSTM");
    const std::string prefix = first->name.substr(0, first->name.size() - mark.size());

    std::vector<std::string> used;
    const auto load = [&](const std::string& name, const std::vector<std::size_t>& shape) {
        used.push_back(name);
        return detail::foreign_numbers<T>(file, name, shape);
    };
    Random random;
    Model<T> model;
    for (std::size_t k = 0;; ++k) {
        const std::string l = "_l" + std::to_string(k);
        const TensorInfo* ih = file.find(prefix + "weight_ih" + l);
        if (ih == nullptr) break;
        const TensorInfo& hh = file.at(prefix + "weight_hh" + l);
        if (ih->shape.size() != 2 || hh.shape.size() != 2 || hh.shape[1] == 0 || ih->shape[1] == 0)
            refuse("tensors " + detail::in_quotes(ih->name) + " and " + detail::in_quotes(hh.name) +
                   " are not both matrices");
        const std::size_t D = ih->shape[1], H = hh.shape[1], G = hh.shape[0];
        if (G != H && (G % 4 != 0 || G / 4 != H))
            refuse("tensor " + detail::in_quotes(hh.name) + " has the shape " + detail::shape_text(hh.shape) +
                   ": expected (4H, H), an LSTM, or (H, H), an RNN");
        const auto Wi = load(ih->name, {G, D}), Wh = load(hh.name, {G, H});
        std::vector<T> b(G, T(0));
        for (const char* bias : {"bias_ih", "bias_hh"})
            if (file.find(prefix + bias + l) != nullptr) {
                const auto part = load(prefix + bias + l, {G});
                for (std::size_t j = 0; j < G; ++j) b[j] += part[j];
            }
        detail::check_finite(b.data(), G,
                             file.name() + ": the sum of the biases of " + detail::in_quotes(ih->name));
        if (k > 0 && D != model.out_size())
            refuse("tensor " + detail::in_quotes(ih->name) + " has the shape " +
                   detail::shape_text(ih->shape) + ", expected (" + std::to_string(G) + ", " +
                   std::to_string(model.out_size()) + ")");
        AnyLayer<T> layer = Registry<T>::instance().make(G == H ? "rnn" : "lstm", D, H, random);
        std::vector<Parameter<T>> to;
        layer.append_parameters("", to);
        detail::put_transposed(Wi, to[0]);
        detail::put_transposed(Wh, to[1]);
        std::copy(b.begin(), b.end(), to[2].data);
        model.add(std::move(layer));
    }

    const TensorInfo* linear = nullptr;
    for (const TensorInfo& t : file.tensors())
        if (t.shape.size() == 2 && std::find(used.begin(), used.end(), t.name) == used.end()) {
            if (linear != nullptr)
                refuse("tensors " + detail::in_quotes(linear->name) + " and " + detail::in_quotes(t.name) +
                       " are both left over, expected the one weight of a torch.nn.Linear");
            linear = &t;
        }
    if (linear == nullptr) refuse("there is no weight of a torch.nn.Linear behind the recurrent layers");
    const std::size_t K = linear->shape[0], D = linear->shape[1];
    if (K == 0 || D != model.out_size())
        refuse("tensor " + detail::in_quotes(linear->name) + " has the shape " +
               detail::shape_text(linear->shape) + ", expected (V, " + std::to_string(model.out_size()) +
               ")");
    const auto W = load(linear->name, {K, D});
    Dense<T> dense(D, K, random);
    dense.params().b.fill(T(0));
    std::vector<Parameter<T>> to;
    detail::append_parameters(to, "", dense.params());
    detail::put_transposed(W, to[0]);
    const std::string bias = linear->name.substr(0, linear->name.rfind("weight")) + "bias";
    if (file.find(bias) != nullptr) {
        const auto b = load(bias, {K});
        std::copy(b.begin(), b.end(), to[1].data);
    }
    for (const TensorInfo& t : file.tensors())
        if (std::find(used.begin(), used.end(), t.name) == used.end())
            refuse("tensor " + detail::in_quotes(t.name) + " belongs to no module that can be imported");
    model.add(std::move(dense));
    model.add(softmax);
    return model;
}
/// The same of a file by its name.
template <class T = float>
Model<T> import_pytorch(const std::string& path) {
    return import_pytorch<T>(TensorFile::read(path, Checksum::optional));
}

}  // namespace charrnn
