#pragma once

#include <charrnn/core/random.hpp>
#include <charrnn/data/alphabet.hpp>
#include <charrnn/data/batches.hpp>
#include <charrnn/nn/model.hpp>
#include <cstddef>
#include <cstdint>
#include <string>
#include <vector>

#include "nn/instances.hpp"

/// @file
/// What the tests of training share: a text, a model of its characters, and its windows.

namespace charrnn::test {

/// A text with some structure: words from a small list in a fixed random order.
inline Text words(std::size_t characters, std::uint64_t seed = 1) {
    const char* list[] = {"int ", "return ", "if (x)\n", "\t{ ", "} ", "for ", "static ", "void\n", "= 0; "};
    Random random(seed);
    std::string s;
    while (s.size() < characters) s += list[random.below(9)];
    s.resize(characters);
    return Text::from_string(s);
}

/// A text with its alphabet, windows of it, and models for it.
struct Setting {
    Text text = words(3000);
    BatchOptions shape{.lanes = 12, .window = 10};
    std::size_t hidden = 20, layers = 2;
    Alphabet alphabet{text, U'\v'};

    [[nodiscard]] Model<> model(const std::string& cell = "lstm", std::uint64_t seed = 7) const {
        Random random(seed);
        return char_rnn(cell, alphabet.size(), hidden, layers, random);
    }
    [[nodiscard]] Batches batches() const { return Batches(text, alphabet, shape); }
};

/// All parameters, one after the other.
template <class M>
std::vector<float> values(M& model) {
    std::vector<float> all;
    for (const auto& p : model.parameters()) all.insert(all.end(), p.data, p.data + p.size);
    return all;
}

}  // namespace charrnn::test
