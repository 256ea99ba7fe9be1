#pragma once

// The rungs of the fastai course's ladder (lessons 6 and 7): each a model, a way of reading the text, and how it learns;
// and one above them, the last model learning as we would have it.

#include <charrnn/charrnn.hpp>
#include <string>
#include <utility>
#include <vector>

#include "../own_cell/concat_cell.hpp"
#include "add_cell.hpp"
#include "plain_cell.hpp"

/// How many epochs there were in all, and the validation loss that the course prints there.
struct Mark {
    double epochs = 0;
    double course = 0;  ///< nats a character; 0: the course prints none
};

/// One of the course's models.
struct Rung {
    std::string name;    ///< for --rung
    std::string course;  ///< the course's class
    /// A new model, from V and H.
    Model<> (*model)(std::size_t V, std::size_t H, Random& random) = nullptr;
    std::size_t hidden = 256;  ///< H
    /// Rows of the text, each read from a zero state; without a length, lanes whose state goes on.
    RowOptions rows{.length = 0};
    double lr = 1e-3;         ///< Adam's
    Schedule schedule{};      ///< what it is multiplied by
    std::vector<Mark> marks;  ///< the last one ends the run
    double weight_decay = 0;  ///< added to the gradient, as PyTorch's Adam does
    double clip = 0;          ///< the norm that gradients are scaled down to; 0: never
};

/// The width of the embedding, the course's n_fac.
inline constexpr std::size_t factors = 42;

/// Embedding, recurrent layers, Dense: what all rungs have, with PyTorch's first values.
template <class... Layers>
Model<> embedded(std::size_t V, std::size_t H, Random& random, Layers... recurrent) {
    Model<> model;
    model.add(Embedding(V, factors, random));
    (model.add(std::move(recurrent)), ...);
    model.add(Dense(H, V, random)).add(softmax);
    init::pytorch(model, random);
    return model;
}

inline std::vector<Rung> ladder() {
    const auto add = [](std::size_t V, std::size_t H, Random& r) {
        return embedded(V, H, r, Recur(AddCell{factors, H}, r));
    };
    const auto concat = [](std::size_t V, std::size_t H, Random& r) {
        return embedded(V, H, r, Recur(ConcatCell{factors, H}, r));
    };
    const auto plain = [](std::size_t V, std::size_t H, Random& r) {
        return embedded(V, H, r, Recur(PlainCell{factors, H}, r));
    };
    const auto rnn = [](std::size_t V, std::size_t H, Random& r) {
        return embedded(V, H, r, RNN(factors, H, activation::tanh, r));
    };
    const auto identity = [](std::size_t V, std::size_t H, Random& r) {
        Model<> model = embedded(V, H, r, RNN(factors, H, activation::tanh, r));
        init::identity(parameter(model, "layers.1.cell.Wh"));
        return model;
    };
    const auto gru = [](std::size_t V, std::size_t H, Random& r) {
        return embedded(V, H, r, GRU(factors, H, r));
    };
    const auto lstm = [](std::size_t V, std::size_t H, Random& r) {
        return embedded(V, H, r, LSTM(factors, H, r), Dropout(H, 0.5), LSTM(H, H, r));
    };
    const auto ours = [](std::size_t V, std::size_t H, Random& r) {
        return embedded(V, H, r, LSTM(factors, H, r), Dropout(H, 0.5), LSTM(H, H, r), Dropout(H, 0.5));
    };
    // A tenth of the rate after so many epochs.
    const auto tenth_after = [](double n) { return constant(1).then(epochs(n), constant(0.1)); };
    // Cosines over 1, 2, 4, ... epochs, twice.
    const Schedule restarts = cosine_restarts(epochs(1), 2);
    const Schedule cycles = constant(1).then(epochs(2), restarts.then(epochs(15), restarts));

    const RowOptions threes{.length = 3, .stride = 3}, eights{.length = 8};
    const RowOptions in_turn{.length = 8, .stride = 8, .every_step = true};
    return {
        {"char3", "Char3Model", add, 256, threes, 1e-2, tenth_after(1), {{1}, {2}}},
        {"loop", "CharLoopModel", add, 256, eights, 1e-2, tenth_after(1), {{1}, {2}}},
        {"concat", "CharLoopConcatModel", concat, 256, eights, 1e-3, tenth_after(1), {{1}, {2}}},
        {"rnn", "CharRnn", rnn, 256, eights, 1e-3, tenth_after(4), {{4}, {6}}},
        {"seq", "CharSeqRnn", rnn, 256, in_turn, 1e-3, tenth_after(4), {{4}, {5}}},
        {"identity", "CharSeqRnn, identity", identity, 256, in_turn, 1e-2, tenth_after(4), {{4}, {8}}},
        {"stateful",
         "CharSeqStatefulRnn",
         rnn,
         256,
         {.length = 0},
         1e-3,
         tenth_after(4),
         {{1, 1.812}, {2, 1.662}, {3, 1.578}, {4, 1.545}, {8, 1.486}}},
        {"cell", "CharSeqStatefulRnn2", plain, 256, {.length = 0}, 1e-3, {}, {{4, 1.542}}},
        {"gru",
         "CharSeqStatefulGRU",
         gru,
         256,
         {.length = 0},
         1e-3,
         tenth_after(6),
         {{6, 1.405}, {9, 1.369}}},
        {"lstm",
         "CharSeqStatefulLSTM",
         lstm,
         512,
         {.length = 0},
         1e-2,
         cycles,
         {{2, 1.582}, {17, 1.315}, {32, 1.292}, {80}},
         1e-5},
        // The same passes over the text at half the rate, with clipping, and with Dropout behind the second layer too.
        {"ours",
         "CharSeqStatefulLSTM",
         ours,
         512,
         {.length = 0},
         5e-3,
         cycles,
         {{2, 1.582}, {17, 1.315}, {32, 1.292}},
         1e-5,
         1.0},
    };
}
