#include <doctest/doctest.h>

#include <charrnn/charrnn.hpp>
#include <cstdlib>
#include <limits>
#include <new>
#include <string>
#include <vector>

#include "io/tampered.hpp"
#include "nn/instances.hpp"
#include "temporary_folder.hpp"

namespace model_file_test {

using namespace charrnn;
using test::has, test::Metadata, test::Tensors;

namespace {

const Text text = Text::from_string("fünf Wörter, \"quoted\"\n\t\xFF and more");

template <class M>
std::vector<float> values(M& model) {
    std::vector<float> all;
    for (const auto& p : model.parameters()) all.insert(all.end(), p.data, p.data + p.size);
    return all;
}

struct Saved {
    test::TemporaryFolder folder;
    std::string path = folder.path() + "/m.safetensors";
    Alphabet alphabet{text, U'\v'};
    Model<> model;

    explicit Saved(const std::string& cell = "lstm", std::size_t hidden = 4) {
        Random random(3);
        model = char_rnn(cell, alphabet.size(), hidden, 2, random);
        save(path, model, alphabet);
    }
};

/// Why a model's file, so changed, is refused.
template <class F>
std::string refusal(F change) {
    const Saved s;
    test::tamper(s.path, change);
    try {
        (void)load_model(s.path);
    } catch (const error& e) {
        CHECK(std::string(e.what()).find(s.path) == 0);
        return e.what();
    }
    return "";
}

}  // namespace

TEST_CASE("a model and its alphabet come back from the file alone, for every cell, and write the same text") {
    for (const auto& cell : Registry<>::instance().names()) {
        Random random;
        if (Registry<>::instance().make(cell, 1, 1, random).state_parts() == 0) continue;
        CAPTURE(cell);
        Saved s(cell);
        auto [model, alphabet] = load_model(s.path);
        CHECK(alphabet == s.alphabet);
        CHECK(values(model) == values(s.model));
        CHECK(printed(model) == printed(s.model));
        CHECK(sample(model, alphabet, 50, {.seed = 2}) == sample(s.model, s.alphabet, 50, {.seed = 2}));
        save(s.path + ".2", model, alphabet);
        CHECK(TensorFile::read(s.path).metadata() == TensorFile::read(s.path + ".2").metadata());
    }
}

TEST_CASE("options, bytes and double come back") {
    const test::TemporaryFolder folder;
    const std::string path = folder.path() + "/m";
    const Alphabet bytes(Text::from_string("ab\xFF", Encoding::bytes));
    Random random(1);
    Model<double> model;
    model.add(RNN<double>(bytes.size(), 3, activation::relu, random));
    model.add(Dense<double>(3, bytes.size(), activation::tanh, random));
    save(path, model, bytes);
    const auto loaded = load_model<double>(path);
    CHECK(loaded.alphabet == bytes);
    CHECK(printed(loaded.model) == printed(model));
    CHECK(!loaded.model.ends_in_softmax());
    CHECK_THROWS_AS(load_model<float>(path), data_error);
}

TEST_CASE("a Chain takes the weights of a file, if it has the same layers") {
    Saved s;
    const std::size_t V = s.alphabet.size();
    Random random(99);
    Chain chain(LSTM(V, 4, random), LSTM(4, 4, random), Dense(4, V, random), softmax);
    load_parameters(s.path, chain);
    CHECK(values(chain) == values(s.model));
    save(s.path, chain, s.alphabet);
    CHECK(printed(load_model(s.path).model) == printed(s.model));

    const auto refused = [&](auto other) {
        const auto before = values(other);
        CHECK_THROWS_AS(load_parameters(s.path, other), data_error);
        CHECK(values(other) == before);
    };
    refused(Chain(LSTM(V, 4), LSTM(4, 4), Dense(4, V), Dense(V, V)));
    refused(Chain(LSTM(V, 5), LSTM(5, 4), Dense(4, V)));
    refused(Chain(RNN(V, 4), LSTM(4, 4), Dense(4, V)));
    refused(Chain(LSTM(V, 4), LSTM(4, 4), Dense(4, V, activation::relu)));
}

TEST_CASE("every truncation and every flipped bit of a model's file is refused") {
    const Saved s("rnn", 2);
    const TensorFile file = TensorFile::read(s.path);
    std::string bytes;
    {
        Tensors tensors;
        for (const auto& t : file.tensors())
            tensors.push_back({t.name, t.dtype, t.shape, file.data(t), t.bytes()});
        auto metadata = file.metadata();
        metadata.erase("checksum");
        bytes = tensor_file_bytes(tensors, metadata);
    }
    const auto refused = [](const std::string& damaged) {
        try {
            (void)TensorFile::parse(damaged, "f");
        } catch (const data_error&) {
            return true;
        }
        return false;
    };
    CHECK(!refused(bytes));
    std::size_t accepted = 0;
    for (std::size_t n = 0; n < bytes.size(); ++n) accepted += refused(bytes.substr(0, n)) ? 0 : 1;
    for (std::size_t bit = 0; bit < 8 * bytes.size(); ++bit) {
        bytes[bit / 8] = static_cast<char>(bytes[bit / 8] ^ static_cast<char>(1U << bit % 8));
        accepted += refused(bytes) ? 0 : 1;
        bytes[bit / 8] = static_cast<char>(bytes[bit / 8] ^ static_cast<char>(1U << bit % 8));
    }
    CHECK(accepted == 0);
    MESSAGE(bytes.size() << " truncations and " << 8 * bytes.size() << " flips");
}

TEST_CASE("a file with a right checksum and a wrong model is refused, each with a message of its own") {
    has(refusal([](Tensors&, Metadata& m) { m.erase("format"); }), "is not a model of charrnn's");
    has(refusal([](Tensors&, Metadata& m) { m["format"] = "charrnn 2"; }), "a newer version");
    has(refusal([](Tensors&, Metadata& m) { m["softmax"] = "yes"; }),
        "'softmax' is 'yes', expected true or false");
    has(refusal([](Tensors&, Metadata& m) { m["layers"] = "0"; }), "said to have 0 layers");
    has(refusal([](Tensors&, Metadata& m) { m["layers"] = "4294967296"; }), "said to have 4294967296 layers");
    has(refusal([](Tensors&, Metadata& m) { m["layers"] = "4"; }), "has no 'layers.3.");
    has(refusal([](Tensors&, Metadata& m) { m["layers"] = "2"; }), "'layers.2.W' is of no layer");
    has(refusal([](Tensors&, Metadata& m) { m["layers.0.type"] = "perceptron"; }),
        "no layer is called 'perceptron'");
    has(refusal([](Tensors&, Metadata& m) { m["layers.0.type"] = "rnn"; }), "but rnn(");
    has(refusal([](Tensors&, Metadata& m) { m["layers.0.out"] = "0"; }), "expected widths of at least 1");
    has(refusal([](Tensors&, Metadata& m) { m["layers.0.out"] = "18446744073709551615"; }),
        "memory can hold");
    has(refusal([](Tensors&, Metadata& m) { m["layers.0.out"] = "1000000000"; }), "but lstm(");
    has(refusal([](Tensors&, Metadata& m) { m["layers.0.out"] = "-4"; }), "'-4', expected a count");
    has(refusal([](Tensors&, Metadata& m) { m["layers.0.in"] = "4.0"; }), "'4.0', expected a count");
    has(refusal([](Tensors&, Metadata& m) { m["layers.2.option.activation"] = "none"; }),
        "no activation is called");
    has(refusal([](Tensors&, Metadata& m) { m["layers.2.option.colour"] = "red"; }), "the registry makes");
    has(refusal([](Tensors&, Metadata& m) { m["alphabet.encoding"] = "ebcdic"; }),
        "the alphabet's encoding is 'ebcdic'");
    has(refusal([](Tensors&, Metadata& m) { m["alphabet.stop"] = "1000"; }),
        "the stop symbol has the id 1000");
    has(refusal([](Tensors& t, Metadata&) { t.erase(t.begin()); }), "there is no tensor 'layers.0.cell.Wi'");
    has(refusal([](Tensors& t, Metadata&) { t.pop_back(); }), "there is no tensor 'alphabet'");
    has(refusal([](Tensors& t, Metadata&) {
            t[2].shape = {4, 4};
        }),
        "'layers.0.cell.b' has the shape (4, 4), but lstm(");
    has(refusal([](Tensors& t, Metadata&) { t[2].dtype = "I32"; }),
        "'layers.0.cell.b' is of dtype I32, expected F32");
    has(refusal([](Tensors& t, Metadata&) {
            t.push_back({"layers.9.W", "F32", {0}, nullptr, 0});
        }),
        "of no layer");
    static const float bad[16] = {0, std::numeric_limits<float>::quiet_NaN()};
    has(refusal([](Tensors& t, Metadata&) { t[2].data = bad; }),
        "tensor 'layers.0.cell.b' has nan at position 1, expected finite");
    static const std::int32_t twice[64] = {65, 65};
    has(refusal([](Tensors& t, Metadata&) { t.back().data = twice; }), "stands twice in the alphabet");
    static const std::int32_t huge[64] = {0x7FFFFFFF};
    has(refusal([](Tensors& t, Metadata&) { t.back().data = huge; }), "cannot be in an alphabet");
    has(refusal([](Tensors& t, Metadata& m) {
            static const std::int32_t few[3] = {65, 66, 67};
            t.back() = TensorSource::of("alphabet", {3}, few, 3);
            m.erase("alphabet.stop");
        }),
        "but the alphabet has 3");
}

TEST_CASE("a dropout that is none is refused, with the file's name") {
    Saved s;
    Random random(3);
    s.model = char_rnn("rnn", s.alphabet.size(), 4, 1, random, {.dropout = 0.25});
    const auto refused = [&](const char* option, const char* value) {
        CAPTURE(value);
        save(s.path, s.model, s.alphabet);
        test::tamper(s.path, [&](Tensors&, Metadata& m) {
            REQUIRE(m.count(option) == 1);
            m[option] = value;
        });
        CHECK_THROWS_AS((void)load_model(s.path), data_error);
    };
    for (const char* p : {"", "a quarter", "0,25", "0.25 ", "1e999", "nan", "1", "-0.1"})
        refused("layers.1.option.p", p);
    refused("layers.1.option.mask", "each_week");
}

TEST_CASE("what cannot be saved says why, and the file stays as it was") {
    Saved s;
    const auto before = TensorFile::read(s.path).metadata();
    s.model.parameters()[0].data[1] = std::numeric_limits<float>::infinity();
    CHECK_THROWS_WITH_AS(save(s.path, s.model, s.alphabet),
                         "layers.0.cell.Wi has inf at position 1, expected finite numbers only",
                         numeric_error);
    CHECK_THROWS_AS(save(s.path, s.model, Alphabet(Text::from_string("ab"))), shape_error);
    CHECK(TensorFile::read(s.path).metadata() == before);
}

}  // namespace model_file_test
