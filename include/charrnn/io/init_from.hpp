#pragma once

#include <algorithm>
#include <cstddef>
#include <string>
#include <utility>
#include <vector>

#include <charrnn/core/error.hpp>
#include <charrnn/core/random.hpp>
#include <charrnn/data/alphabet.hpp>
#include <charrnn/io/model_file.hpp>

/// @file
/// A new run from the weights of an old one.

namespace charrnn {

/// What to do with characters that the saved model does not know.
enum class NewCharacters {
    refuse,  ///< an error that names them
    extend,  ///< they get ids after the known ones, and fresh weights
};

namespace detail {

/// The alphabet of a file with what `needed` has and it lacks. Errors: data_error
inline Alphabet joined(const Alphabet& known, const Alphabet& needed, NewCharacters policy,
                       const std::string& file) {
    if (known.encoding() != needed.encoding())
        throw data_error(
            file + ": the model's alphabet and the text's are not both of code points or both of bytes");
    if (known.has_stop() && needed.contains(known.stop()) &&
        !(needed.has_stop() && needed.stop() == known.stop()))
        throw data_error(file + ": the model's stop symbol " + printable(known.stop(), known.encoding()) +
                         " is a character of the text");
    std::u32string symbols = known.symbols();
    std::string missing;
    std::size_t count = 0;
    for (const char32_t c : needed.symbols()) {
        // A model with a stop symbol needs no second one.
        if (known.contains(c) || (known.has_stop() && needed.has_stop() && c == needed.stop())) continue;
        symbols += c;
        if (count++ < 10) missing += (missing.empty() ? "" : ", ") + printable(c, known.encoding());
    }
    if (count > 0 && policy == NewCharacters::refuse)
        throw data_error(file + ": the model does not know " + std::to_string(count) +
                         " of the text's characters: " + missing + (count > 10 ? ", ..." : "") +
                         "; NewCharacters::extend (--extend) adds them");
    const auto stop = known.has_stop()    ? std::optional(known.stop())
                      : needed.has_stop() ? std::optional(needed.stop())
                                          : std::nullopt;
    return Alphabet::from_symbols(std::move(symbols), stop, known.encoding());
}

/// Copy the numbers of a smaller array into the front corner of a larger one; what is beyond stays.
template <class T>
void copy_corner(const Parameter<T>& from, const Parameter<T>& to) {
    const std::size_t columns = from.shape.back();
    for (std::size_t r = 0; r < (columns == 0 ? 0 : from.size / columns); ++r)
        std::copy_n(from.data + r * columns, columns, to.data + r * to.shape.back());
}

/// The model for V' characters in place of V: the first layer reads more, the last one gives more. Fresh weights are
/// drawn for the new characters only. Errors: data_error for layers in which a character has no rows of its own
template <class T>
Model<T> widened(Model<T>& model, std::size_t characters, Random& random, const std::string& file) {
    const std::size_t before = model.in_size();
    Model<T> wide;
    for (std::size_t i = 0; i < model.size(); ++i) {
        LayerSpec spec = model.layer(i).spec();
        if (i == 0) spec.in = characters;
        if (i + 1 == model.size()) spec.out = characters;
        wide.add(Registry<T>::instance().make(spec, random));
    }
    if (model.ends_in_softmax()) wide.add(softmax);
    const auto from = model.parameters(), to = wide.parameters();
    for (std::size_t i = 0; i < from.size(); ++i) {
        bool simple = from[i].shape.size() == to[i].shape.size() && from[i].shape.size() <= 2;
        for (std::size_t k = 0; simple && k < from[i].shape.size(); ++k)
            simple = from[i].shape[k] == to[i].shape[k] ||
                     (from[i].shape[k] == before && to[i].shape[k] == characters);
        if (!simple)
            throw data_error(file + ": new characters cannot be added, for " + from[i].name +
                             " has no rows or columns that belong to one character");
        copy_corner(from[i], to[i]);
    }
    return wide;
}

}  // namespace detail

/// A new run's model from a file's weights, for a text with the alphabet `needed`. The result's alphabet is the file's
/// (ids stay as they were), with the missing characters at its end if they are asked for: encode the text with that
/// one. Weights of new characters are drawn from `random`, as a new layer's would be.
///
/// Errors: as load_model; data_error for characters that the model does not know, if they are not to be added
template <class T = float>
LoadedModel<T> init_from(const std::string& path, const Alphabet& needed,
                         NewCharacters policy = NewCharacters::refuse, Random& random = default_random()) {
    LoadedModel<T> loaded = load_model<T>(path);
    Alphabet alphabet = detail::joined(loaded.alphabet, needed, policy, path);
    if (alphabet.size() == loaded.alphabet.size()) return {std::move(loaded.model), std::move(alphabet)};
    return {detail::widened(loaded.model, alphabet.size(), random, path), std::move(alphabet)};
}

}  // namespace charrnn
