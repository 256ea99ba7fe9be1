#include <charrnn/charrnn.hpp>
#include <iostream>

using namespace charrnn;
using namespace std::chrono_literals;

int main(int argc, char** argv) {
    const Text text = read_text(argc > 1 ? argv[1] : "input.txt");  // UTF-8, lossless
    const Alphabet alphabet(text, U'\v');                           // its characters, and a stop symbol
    const auto V = alphabet.size();

    Chain model{LSTM(V, 128), LSTM(128, 128), Dense(128, V), softmax};
    Trainer trainer(model, Adam(0.002), Batches(text, alphabet, {.lanes = 50, .window = 50}));
    trainer.every(5s, [](const Progress& p) { std::cout << p << '\n'; });

    trainer.run(epochs(1));
    std::cout << sample(model, alphabet, 500) << '\n';  // leaves the training run as it is
    trainer.run(epochs(1));                             // goes on where it stopped
}
