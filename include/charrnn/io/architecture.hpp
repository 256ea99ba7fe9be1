#pragma once

#include <cstddef>
#include <cstdint>
#include <map>
#include <string>
#include <utility>
#include <vector>

#include <charrnn/core/error.hpp>
#include <charrnn/core/once.hpp>
#include <charrnn/core/random.hpp>
#include <charrnn/io/metadata.hpp>
#include <charrnn/io/safetensors.hpp>
#include <charrnn/nn/model.hpp>

/// @file
/// A model's layers as a file's metadata, and that its tensors are of them.

namespace charrnn::detail {

inline constexpr const char* format_name = "charrnn 1";

/// The architecture as metadata: layers.0.type, layers.0.in, ...
template <class M>
void describe_model(const M& model, std::map<std::string, std::string>& metadata) {
    metadata["layers"] = std::to_string(model.size());
    metadata["softmax"] = model.ends_in_softmax() ? "true" : "false";
    model.for_each([&](std::size_t i, const auto& layer) {
        const std::string at = layer_prefix(i);
        const LayerSpec spec = layer_spec(layer);
        metadata[at + "type"] = spec.type;
        metadata[at + "in"] = std::to_string(spec.in);
        metadata[at + "out"] = std::to_string(spec.out);
        for (const auto& [name, value] : spec.options) metadata[at + "option." + name] = value;
    });
}

/// The architecture that the metadata describes.
struct Architecture {
    std::vector<LayerSpec> layers;
    bool softmax = false;

    /// Errors: data_error, naming the file and the entry
    static Architecture of(const TensorFile& file);
};

/// That the tensors of layer i have the shapes that its spec asks for, before anything of that size is made. The
/// shapes come from three tiny layers of the kind: every extent is a + b D + c H.
/// Errors: data_error
template <class T>
void check_shapes(const TensorFile& file, std::size_t i, const LayerSpec& spec) {
    if (spec.in == 0 || spec.out == 0 || spec.in > max_width || spec.out > max_width)
        throw data_error(file.name() + ": layer " + std::to_string(i) + " is said to be " + printed(spec) +
                         ", expected widths of at least 1 that memory can hold");
    const auto tiny = [&](std::size_t in, std::size_t out) {
        LayerSpec s = spec;
        s.in = in, s.out = out;
        Random random;
        AnyLayer<T> layer = Registry<T>::instance().make(s, random);
        std::vector<Parameter<T>> list;
        layer.append_parameters(layer_prefix(i), list);
        return list;
    };
    const auto one = tiny(1, 1);
    if (one.empty()) return;
    const auto wide_in = tiny(2, 1), wide_out = tiny(1, 2);
    for (std::size_t p = 0; p < one.size(); ++p) {
        const TensorInfo& t = file.at(one[p].name);
        std::vector<std::size_t> expected;
        for (std::size_t k = 0; k < one[p].shape.size(); ++k) {
            const std::size_t b = wide_in[p].shape[k] - one[p].shape[k];
            const std::size_t c = wide_out[p].shape[k] - one[p].shape[k];
            expected.push_back(one[p].shape[k] - b - c + b * spec.in + c * spec.out);
        }
        if (t.shape != expected)
            throw data_error(file.name() + ": tensor " + in_quotes(t.name) + " has the shape " +
                             shape_text(t.shape) + ", but " + printed(spec) + " has " + shape_text(expected));
    }
}

}  // namespace charrnn::detail

#ifdef CHARRNN_ONCE
namespace charrnn::detail {

CHARRNN_ONCE Architecture Architecture::of(const TensorFile& file) {
    const MetadataReader read(file);
    if (const std::string* format = read.find("format"); format == nullptr || *format != format_name)
        throw data_error(file.name() + ": the metadata does not say that its format is '" + format_name +
                         "', so it is not a model of charrnn's, or one of a newer version");
    Architecture a;
    a.softmax = read.truth("softmax");
    const std::uint64_t depth = read.count("layers");
    if (depth == 0 || depth > HeaderLimits::tensors)
        throw data_error(file.name() + ": the model is said to have " + std::to_string(depth) + " layers");
    for (std::uint64_t i = 0; i < depth; ++i) {
        const std::string at = layer_prefix(i);
        LayerSpec spec{
            .type = read.text(at + "type"), .in = read.count(at + "in"), .out = read.count(at + "out")};
        const std::string option = at + "option.";
        for (auto entry = file.metadata().lower_bound(option);
             entry != file.metadata().end() && entry->first.compare(0, option.size(), option) == 0; ++entry)
            spec.options[entry->first.substr(option.size())] = entry->second;
        a.layers.push_back(std::move(spec));
    }
    return a;
}

}  // namespace charrnn::detail
#endif
