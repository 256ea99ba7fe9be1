#pragma once

#include <algorithm>
#include <charconv>
#include <cmath>
#include <cstddef>
#include <cstdint>
#include <cstdio>
#include <map>
#include <string>
#include <string_view>
#include <system_error>
#include <utility>
#include <vector>

#include <charrnn/core/error.hpp>
#include <charrnn/core/once.hpp>
#include <charrnn/core/random.hpp>
#include <charrnn/data/alphabet.hpp>
#include <charrnn/io/atomic_file.hpp>
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

inline constexpr const char* format_name = "charrnn 1";

/// A number as text that gives the same number again.
std::string exact(double x);

/// The metadata of a file, read strictly. Errors: data_error, naming the file and the entry
class MetadataReader {
  public:
    explicit MetadataReader(const TensorFile& file) : file_(file) {}

    [[nodiscard]] const std::string* find(const std::string& key) const {
        const auto found = file_.metadata().find(key);
        return found == file_.metadata().end() ? nullptr : &found->second;
    }
    [[nodiscard]] const std::string& text(const std::string& key) const {
        const std::string* value = find(key);
        if (value == nullptr) throw data_error(file_.name() + ": the metadata has no " + in_quotes(key));
        return *value;
    }
    [[nodiscard]] std::uint64_t count(const std::string& key) const {
        return parse<std::uint64_t>(key, "a count");
    }
    [[nodiscard]] double real(const std::string& key) const {
        const double x = parse<double>(key, "a number");
        if (!std::isfinite(x)) throw data_error(file_.name() + ": " + in_quotes(key) + " is not finite");
        return x;
    }
    [[nodiscard]] bool truth(const std::string& key) const {
        const std::string& s = text(key);
        if (s != "true" && s != "false") refuse(key, "true or false");
        return s == "true";
    }

  private:
    [[noreturn]] void refuse(const std::string& key, const char* expected) const {
        throw data_error(file_.name() + ": the metadata's entry " + in_quotes(key) + " is " +
                         in_quotes(text(key)) + ", expected " + expected);
    }
    template <class N>
    [[nodiscard]] N parse(const std::string& key, const char* expected) const {
        const std::string& s = text(key);
        N n{};
        const auto [end, error] = std::from_chars(s.data(), s.data() + s.size(), n);
        if (error != std::errc() || end != s.data() + s.size()) refuse(key, expected);
        return n;
    }

    const TensorFile& file_;
};

/// The parameters of a model that is only read.
template <class M>
std::vector<Parameter<typename M::value_type>> read_only_parameters(const M& model) {
    return const_cast<M&>(model)
        .parameters();  // NOLINT(cppcoreguidelines-pro-type-const-cast): nothing is written
}

/// Errors: numeric_error, naming the place and the position, for a number that is not finite
template <class T>
void check_finite(const T* x, std::size_t n, const std::string& place) {
    for (std::size_t i = 0; i < n; ++i)
        if (!std::isfinite(x[i]))
            throw numeric_error(place + " has " + std::to_string(x[i]) + " at position " + std::to_string(i) +
                                ", expected finite numbers only");
}
/// The same for a tensor in a file.
template <class T>
void check_finite(const TensorFile& file, const std::string& name) {
    const TensorInfo& t = file.at(name);
    std::vector<T> numbers(t.bytes() / sizeof(T));
    file.copy(name, t.shape, numbers.data());
    check_finite(numbers.data(), numbers.size(), file.name() + ": tensor " + in_quotes(name));
}

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

    static Architecture of(const TensorFile& file) {
        const MetadataReader read(file);
        if (const std::string* format = read.find("format"); format == nullptr || *format != format_name)
            throw data_error(file.name() + ": the metadata does not say that its format is '" + format_name +
                             "', so it is not a model of charrnn's, or one of a newer version");
        Architecture a;
        a.softmax = read.truth("softmax");
        const std::uint64_t depth = read.count("layers");
        if (depth == 0 || depth > HeaderLimits::tensors)
            throw data_error(file.name() + ": the model is said to have " + std::to_string(depth) +
                             " layers");
        for (std::uint64_t i = 0; i < depth; ++i) {
            const std::string at = layer_prefix(i);
            LayerSpec spec{
                .type = read.text(at + "type"), .in = read.count(at + "in"), .out = read.count(at + "out")};
            const std::string option = at + "option.";
            for (auto entry = file.metadata().lower_bound(option);
                 entry != file.metadata().end() && entry->first.compare(0, option.size(), option) == 0;
                 ++entry)
                spec.options[entry->first.substr(option.size())] = entry->second;
            a.layers.push_back(std::move(spec));
        }
        return a;
    }
};

/// That the tensors of layer i have the shapes that its spec asks for, before anything of that size is made. The
/// shapes come from three tiny layers of the kind: every extent is a + b D + c H.
/// Errors: data_error
template <class T>
void check_shapes(const TensorFile& file, std::size_t i, const LayerSpec& spec) {
    const std::size_t limit = std::size_t{1} << 40U;
    if (spec.in == 0 || spec.out == 0 || spec.in > limit || spec.out > limit)
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

CHARRNN_ONCE std::string exact(double x) {
    char text[40];
    std::snprintf(text, sizeof text, "%.17g", x);
    return text;
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
