#pragma once

#include <algorithm>
#include <cmath>
#include <cstddef>
#include <cstdint>
#include <cstring>
#include <map>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include <charrnn/core/error.hpp>
#include <charrnn/core/once.hpp>
#include <charrnn/core/random.hpp>
#include <charrnn/data/alphabet.hpp>
#include <charrnn/io/architecture.hpp>
#include <charrnn/io/atomic_file.hpp>
#include <charrnn/io/metadata.hpp>
#include <charrnn/io/safetensors.hpp>
#include <charrnn/nn/model.hpp>
#include <charrnn/version.hpp>

/// @file
/// A model and its alphabet in one file, from which a fresh process makes both again with nothing else.

namespace charrnn {

/// The library's version: "0.1.0".
std::string version();

/// A model with the alphabet that it reads and writes.
template <class T = float>
struct LoadedModel {
    Model<T> model;     ///< the layers with their parameters
    Alphabet alphabet;  ///< what its ids mean
};

namespace detail {

/// The parameters of a model that is only read.
template <class M>
std::vector<Parameter<typename M::value_type>> read_only_parameters(const M& model) {
    return const_cast<M&>(model)
        .parameters();  // NOLINT(cppcoreguidelines-pro-type-const-cast): nothing is written
}

/// Errors: numeric_error, naming the place and the position
[[noreturn]] void refuse_number(const std::string& place, std::size_t position, double x);

/// That n numbers are finite. Errors: numeric_error
template <class T>
void check_finite(const T* x, std::size_t n, const std::string& place) {
    for (std::size_t i = 0; i < n; ++i)
        if (!std::isfinite(x[i])) refuse_number(place, i, static_cast<double>(x[i]));
}
/// The same for a tensor in a file, whose numbers stay where they are.
template <class T>
void check_finite(const TensorFile& file, const std::string& name) {
    const TensorInfo& t = file.at(name);
    for (std::size_t i = 0; i < t.bytes() / sizeof(T); ++i) {
        T x;
        std::memcpy(&x, file.data(t) + i * sizeof(T), sizeof(T));
        if (!std::isfinite(x))
            refuse_number(file.name() + ": tensor " + in_quotes(name), i, static_cast<double>(x));
    }
}

/// Copy a file's weights into parameters of the same names and shapes, or, if anything is wrong, nothing.
/// Errors: data_error; numeric_error for weights that are not finite
template <class T>
void load_weights(const TensorFile& file, const std::vector<Parameter<T>>& parameters) {
    for (const TensorInfo& t : file.tensors()) {
        const bool known = std::any_of(parameters.begin(), parameters.end(),
                                       [&](const auto& p) { return p.name == t.name; });
        if (t.name.compare(0, 7, "layers.") == 0 && !known)
            throw data_error(file.name() + ": tensor " + in_quotes(t.name) + " is of no layer of the model");
    }
    for (const auto& p : parameters) {
        file.check<T>(p.name, p.shape);
        check_finite<T>(file, p.name);
    }
    for (const auto& p : parameters) file.copy(p.name, p.shape, p.data);
}

/// What a file of a model holds, before it is written: the tensors' numbers stay where they are, but for the
/// alphabet's.
struct ModelImage {
    std::vector<TensorSource> tensors;
    std::map<std::string, std::string> metadata;
    std::vector<std::int32_t> symbols;
};

/// Errors: numeric_error for weights that are not finite; value_error for a layer without a name;
///         shape_error where the model's first width is not the alphabet's size
template <class M>
ModelImage model_image(const M& model, const Alphabet& alphabet) {
    ModelImage image;
    if (model.in_size() != alphabet.size())
        throw shape_error(printed(model) + ": reads " + std::to_string(model.in_size()) +
                          " characters, expected " + std::to_string(alphabet.size()) +
                          ", the size of the alphabet it is to be saved with");
    image.metadata["format"] = format_name;
    image.metadata["version"] = version();
    describe_model(model, image.metadata);
    image.metadata["alphabet.encoding"] = alphabet.encoding() == Encoding::bytes ? "bytes" : "utf8";
    if (alphabet.has_stop()) image.metadata["alphabet.stop"] = std::to_string(alphabet.stop_id());
    for (const char32_t c : alphabet.symbols()) image.symbols.push_back(static_cast<std::int32_t>(c));
    for (const auto& p : read_only_parameters(model)) {
        check_finite(p.data, p.size, p.name);
        image.tensors.push_back(TensorSource::of(p.name, p.shape, p.data, p.size));
    }
    image.tensors.push_back(
        TensorSource::of("alphabet", {image.symbols.size()}, image.symbols.data(), image.symbols.size()));
    return image;
}

/// The alphabet of a file. Errors: data_error
Alphabet load_alphabet(const TensorFile& file);

template <class T>
Model<T> load_layers(const TensorFile& file) {
    const Architecture architecture = Architecture::of(file);
    for (std::size_t i = 0; i < architecture.layers.size(); ++i) try {
            check_shapes<T>(file, i, architecture.layers[i]);
        } catch (const value_error& e) {
            throw data_error(file.name() + ": layer " + std::to_string(i) + ": " + e.what());
        }
    Model<T> model;
    Random random;
    try {
        for (const LayerSpec& spec : architecture.layers)
            model.add(Registry<T>::instance().make(spec, random));
    } catch (const error& e) {
        throw data_error(file.name() + ": " + e.what());
    }
    if (architecture.softmax) model.add(softmax);
    load_weights(file, model.parameters());
    return model;
}

}  // namespace detail

/// Save a model with its alphabet in one file, all or nothing: see write_atomically.
/// Errors: io_error; numeric_error for weights that are not finite; value_error for a layer without a name;
///         shape_error where the model does not read this alphabet. The file is then as it was.
template <SequenceModel M>
void save(const std::string& path, const M& model, const Alphabet& alphabet,
          FileSystem& files = FileSystem::real()) {
    const detail::ModelImage image = detail::model_image(model, alphabet);
    write_atomically(path, tensor_file_bytes(image.tensors, image.metadata), files);
}

/// The model and the alphabet of a file that save or save_run wrote.
/// Errors: io_error; data_error, naming the file and the defect; numeric_error for weights that are not finite
template <class T = float>
LoadedModel<T> load_model(const TensorFile& file) {
    LoadedModel<T> loaded{detail::load_layers<T>(file), detail::load_alphabet(file)};
    if (loaded.model.in_size() != loaded.alphabet.size())
        throw data_error(file.name() + ": the model reads " + std::to_string(loaded.model.in_size()) +
                         " characters, but the alphabet has " + std::to_string(loaded.alphabet.size()));
    return loaded;
}
/// The same of a file by its name.
template <class T = float>
LoadedModel<T> load_model(const std::string& path, FileSystem& files = FileSystem::real()) {
    return load_model<T>(TensorFile::read(path, Checksum::required, files));
}

/// Fill a Chain or a Model that is already there with a file's weights, which must be of the same layers.
/// Errors: as load_model; data_error too for other layers. The model is then as it was.
template <SequenceModel M>
void load_parameters(const TensorFile& file, M& model) {
    const auto architecture = detail::Architecture::of(file);
    std::map<std::string, std::string> own;
    detail::describe_model(model, own);
    if (architecture.layers.size() != model.size())
        throw data_error(file.name() + ": the model in the file has " +
                         std::to_string(architecture.layers.size()) + " layers, expected " +
                         std::to_string(model.size()));
    model.for_each([&](std::size_t i, const auto& layer) {
        const LayerSpec spec = layer_spec(layer);
        if (!architecture.layers[i].is_met_by(spec))
            throw data_error(file.name() + ": layer " + std::to_string(i) + " is " +
                             printed(architecture.layers[i]) + ", expected " + printed(spec));
    });
    detail::load_weights(file, model.parameters());
}
/// The same of a file by its name.
template <SequenceModel M>
void load_parameters(const std::string& path, M& model) {
    load_parameters(TensorFile::read(path), model);
}

}  // namespace charrnn

#ifdef CHARRNN_ONCE
namespace charrnn {

CHARRNN_ONCE std::string version() {
    return std::to_string(CHARRNN_VERSION_MAJOR) + "." + std::to_string(CHARRNN_VERSION_MINOR) + "." +
           std::to_string(CHARRNN_VERSION_PATCH);
}

namespace detail {

[[noreturn]] CHARRNN_ONCE void refuse_number(const std::string& place, std::size_t position, double x) {
    throw numeric_error(place + " has " + std::to_string(x) + " at position " + std::to_string(position) +
                        ", expected finite numbers only");
}

CHARRNN_ONCE Alphabet load_alphabet(const TensorFile& file) {
    const MetadataReader read(file);
    const TensorInfo& t = file.at("alphabet");
    std::vector<std::int32_t> symbols(t.bytes() / sizeof(std::int32_t));
    file.copy("alphabet", {symbols.size()}, symbols.data());
    const std::string& encoding = read.text("alphabet.encoding");
    if (encoding != "utf8" && encoding != "bytes")
        throw data_error(file.name() + ": the alphabet's encoding is " + in_quotes(encoding) +
                         ", expected 'utf8' or 'bytes'");
    std::u32string list;
    for (const std::int32_t c : symbols) list += static_cast<char32_t>(c);
    std::optional<char32_t> stop;
    if (read.find("alphabet.stop") != nullptr) {
        const std::uint64_t id = read.count("alphabet.stop");
        if (id >= list.size())
            throw data_error(file.name() + ": the stop symbol has the id " + std::to_string(id) +
                             ", but the alphabet has " + std::to_string(list.size()) + " symbols");
        stop = list[static_cast<std::size_t>(id)];
    }
    try {
        return Alphabet::from_symbols(std::move(list), stop,
                                      encoding == "bytes" ? Encoding::bytes : Encoding::utf8);
    } catch (const error& e) {
        throw data_error(file.name() + ": " + e.what());
    }
}

}  // namespace detail

}  // namespace charrnn
#endif
