#include <doctest/doctest.h>

#include <charrnn/io/model_file.hpp>
#include <charrnn/io/pytorch.hpp>
#include <charrnn/nn/runner.hpp>
#include <cmath>
#include <list>
#include <string>
#include <vector>

#include "golden/golden.hpp"
#include "io/tampered.hpp"
#include "nn/instances.hpp"

namespace pytorch_test {

using namespace charrnn;
using test::has;

namespace {

/// The golden state dict, as PyTorch's safetensors would hold it.
struct StateDict {
    test::Golden golden = test::Golden::load(CHARRNN_GOLDEN_DIR "/torch_lstm_mapping.txt");
    std::vector<TensorSource> tensors;
    std::list<std::vector<double>> kept;

    explicit StateDict(const std::string& lstm = "rnn.", const std::string& linear = "head.") {
        for (const char* l : {"_l0", "_l1"})
            for (const char* name : {"weight_ih", "weight_hh", "bias_ih", "bias_hh"})
                add(lstm + name + l, std::string(name) + l);
        add(linear + "weight", "linear.weight");
        add(linear + "bias", "linear.bias");
    }
    void add(const std::string& name, const std::string& block) {
        const auto& a = golden.at(block);
        kept.push_back(a.values);
        const bool vector = block.find("bias") != std::string::npos;
        tensors.push_back(TensorSource::of(
            name,
            vector ? std::vector<std::size_t>{a.values.size()} : std::vector<std::size_t>{a.rows, a.cols},
            kept.back().data(), kept.back().size()));
    }
    [[nodiscard]] Model<double> import() const {
        return import_pytorch<double>(
            TensorFile::parse(tensor_file_bytes(tensors, {}), "dict", Checksum::optional));
    }
    [[nodiscard]] std::string refusal() const {
        try {
            (void)import();
        } catch (const error& e) {
            return e.what();
        }
        return "";
    }
};

}  // namespace

// The file that tests/docs/recipe loads into PyTorch again. It must load for ever.
TEST_CASE("a model that came from PyTorch, in a file of version 0.1.0, is as it was") {
    const auto [model, alphabet] = load_model(CHARRNN_GOLDEN_DIR "/checkpoints/torch-0.1.0.safetensors");
    CHECK(alphabet == Alphabet(Text::from_string("abcdefg")));
    Model<double> from_torch = StateDict().import();
    CHECK(printed(model) == printed(from_torch));
    for (const auto& p : detail::read_only_parameters(model))
        for (std::size_t i = 0; i < p.size; ++i)
            CHECK(p.data[i] == static_cast<float>(parameter(from_torch, p.name).data[i]));
}

TEST_CASE("a torch.nn.LSTM with a torch.nn.Linear gives PyTorch's logits and state") {
    for (const char* prefix : {"", "model.rnn."}) {
        const StateDict dict(prefix, "out.");
        const Model<double> model = dict.import();
        CHECK(printed(model) == "Chain(Recur(LSTMCell(7, 5)), Recur(LSTMCell(5, 5)), Dense(5, 7), softmax)");
        const auto& ids = dict.golden.at("ids").values;
        Matrix<std::uint32_t> x = xt::zeros<std::uint32_t>({ids.size(), std::size_t{1}});
        for (std::size_t t = 0; t < ids.size(); ++t) x(t, 0) = static_cast<std::uint32_t>(ids[t]);
        State<double> state = model.zero_state(1);
        const auto y = forward(model, x, state);
        const auto& logits = dict.golden.at("logits").values;
        double worst = 0;
        for (std::size_t t = 0; t < ids.size(); ++t) {
            double total = 0;  // the model ends in softmax, PyTorch's does not
            for (std::size_t j = 0; j < 7; ++j) total += std::exp(logits[7 * t + j]);
            for (std::size_t j = 0; j < 7; ++j)
                worst = std::max(worst, std::abs(std::log(y(t, 0, j)) + std::log(total) - logits[7 * t + j]));
        }
        for (std::size_t l = 0; l < 2; ++l)
            for (std::size_t j = 0; j < 5; ++j) {
                worst =
                    std::max(worst, std::abs(state[l][0](0, j) - dict.golden.at("h_n").values[l * 5 + j]));
                worst =
                    std::max(worst, std::abs(state[l][1](0, j) - dict.golden.at("c_n").values[l * 5 + j]));
            }
        CHECK(worst < 1e-12);
    }
}

TEST_CASE("what cannot be imported says which tensor, and why") {
    StateDict d;
    SUBCASE("nothing") {
        d.tensors.clear();
        has(d.refusal(), "no tensor's name ends in weight_ih_l0");
    }
    SUBCASE("two directions") {
        d.add("rnn.weight_ih_l0_reverse", "weight_ih_l0");
        has(d.refusal(), "are both left over");
    }
    SUBCASE("two modules") {
        d.add("other.weight_ih_l0", "weight_ih_l0");
        has(d.refusal(), "two recurrent modules");
    }
    SUBCASE("another cell") {
        d.tensors[1].shape = {10, 10};
        has(d.refusal(), "expected (10, 7)");
        d.tensors[1].shape = {50, 2};
        has(d.refusal(), "expected (4H, H), an LSTM");
    }
    SUBCASE("a width whose fourfold overflows") {
        d.tensors[0].shape = {0, 7};
        d.tensors[1].shape = {0, std::size_t{1} << 62U};
        d.tensors[0].bytes = d.tensors[1].bytes = 0;
        has(d.refusal(), "expected (4H, H), an LSTM");
    }
    SUBCASE("a second layer of another width") {
        d.tensors[4].shape = {20, 4};
        d.tensors[4].bytes = 20 * 4 * sizeof(double);
        has(d.refusal(), "'rnn.weight_ih_l1' has the shape (20, 4), expected (20, 5)");
    }
    SUBCASE("not a matrix") {
        d.tensors[0].shape = {20, 7, 1};
        has(d.refusal(), "'rnn.weight_ih_l0' and 'rnn.weight_hh_l0' are not both matrices");
    }
    SUBCASE("numbers of another type") {
        d.tensors[2].dtype = "I64";
        has(d.refusal(), "'rnn.bias_ih_l0' is of dtype I64, expected F32 or F64");
    }
    SUBCASE("a linear layer of another width") {
        d.tensors[8].shape = {5, 7};
        has(d.refusal(), "'head.weight' has the shape (5, 7), expected (V, 5)");
    }
    SUBCASE("no linear layer") {
        d.tensors.erase(d.tensors.end() - 2, d.tensors.end());
        has(d.refusal(), "no weight of a torch.nn.Linear");
    }
    SUBCASE("a bias of another length") {
        d.tensors[2].shape = {4, 5};
        has(d.refusal(), "'rnn.bias_ih_l0' has the shape (4, 5), expected (20)");
    }
    SUBCASE("something more") {
        d.add("norm.bias", "bias_ih_l0");
        has(d.refusal(), "'norm.bias' belongs to no module");
    }
}

}  // namespace pytorch_test
