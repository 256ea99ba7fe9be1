// Recurrent cells of one's own, and the proof that their gradients are right.
//
// Most cells are gated: products, then elementwise rules. Such a cell states its rules, and Recur does the rest at full
// speed. A cell that is not, such as the one in concat_cell.hpp, does its own step and step back.
#include <array>
#include <charrnn/charrnn.hpp>
#include <iostream>

#include "concat_cell.hpp"

using namespace charrnn;

/// The update-gate cell (Collins, Sohl-Dickstein and Sussillo 2017):
///
///     z = sigmoid(x Wi_z + h Wh_z + b_z)
///     n = tanh(x Wi_n + h Wh_n + b_n)
///     h' = z * h + (1 - z) * n
struct UGRNNCell {
    std::size_t in = 0;   // D
    std::size_t out = 0;  // H

    static constexpr std::size_t gates = 2, parts = 1;  // z and n; the state is h alone
    static constexpr std::array<std::size_t, 2> input_blocks{0, 1}, hidden_blocks{0, 1};

    template <class T>
    using Params = GatedParams<T>;  // Wi (D, 2H), Wh (H, 2H), b (2H)

    template <class T>
    Params<T> init(Random& random) const {
        return glorot_gated<T>(*this, random);
    }

    // g: the pre-activations, then what gate_back needs; s: the state before, then after.
    template <class V>
    CHARRNN_INLINE void gate(V (&g)[2], V (&s)[1]) const {
        g[0] = simd::sigmoid(g[0]);
        g[1] = simd::tanh(g[1]);
        s[0] = g[0] * s[0] + (1 - g[0]) * g[1];
    }

    // d: the gradient of the state after, then that of the state before without what goes through g; g: then the
    // gradient of the pre-activations.
    template <class V>
    CHARRNN_INLINE void gate_back(V (&g)[2], const V (&before)[1], const V (&)[1], V (&d)[1]) const {
        const V z = g[0], n = g[1];
        g[0] = d[0] * (before[0] - n) * z * (1 - z);
        g[1] = d[0] * (1 - z) * (1 - n * n);
        d[0] = d[0] * z;
    }

    friend std::ostream& operator<<(std::ostream& stream, const UGRNNCell& c) {
        return stream << "UGRNNCell(" << c.in << ", " << c.out << ")";
    }
};

template <class Cell>
static bool show() {
    // The gradient, in double precision, against central differences: through time and across windows.
    const GradientReport report = check_gradients(Chain{Recur(Cell{5, 4}), Dense(4, 7)});
    std::cout << "relative errors of the gradients\n" << report << '\n';

    // The cell works wherever a built-in one does.
    const Text text =
        Text::from_string("the quick brown fox jumps over the lazy dog and the lazy dog sleeps on. ");
    const Alphabet alphabet(text);
    Chain model{Recur(Cell{alphabet.size(), 32}), Dense(32, alphabet.size()), softmax};
    std::cout << summary(model) << '\n';
    Trainer trainer(model, Adam(0.01), Batches(text, alphabet, {.lanes = 2, .window = 12}));
    trainer.run(epochs(150));
    std::cout << trainer.progress() << '\n'
              << sample(model, alphabet, 60, {.prompt = "the ", .temperature = 0}) << "\n\n";
    return report.passed();
}

int main() {
    const bool gated = show<UGRNNCell>();
    const bool concat = show<ConcatCell>();
    return gated && concat ? 0 : 1;
}
