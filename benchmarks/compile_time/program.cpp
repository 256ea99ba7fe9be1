#include <iostream>

#include <charrnn/charrnn.hpp>

using namespace charrnn;

int main() {
    const Text text = read_text("input.txt");
    const Alphabet alphabet(text, U'\v');
    const auto V = alphabet.size();

    Chain model(LSTM(V, 128), LSTM(128, 128), Dense(128, V), softmax);
    Trainer trainer(model, Adam(0.002), Batches(text, alphabet, {.lanes = 50, .window = 50}));
    trainer.run(epochs(1));
    std::cout << sample(model, alphabet, 500);
}
