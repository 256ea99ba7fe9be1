// A program of someone who depends on charrnn: trains ten steps, and says whether the loss fell.
#include <charrnn/charrnn.hpp>
#include <iostream>

using namespace charrnn;

int main() {
    const Text text =
        Text::from_string("the quick brown fox jumps over the lazy dog and over the lazy cat. ");
    const Alphabet alphabet(text, U'\v');
    const auto V = alphabet.size();
    Chain model{LSTM(V, 16), Dense(16, V), softmax};
    const Batches batches(text, alphabet, {.lanes = 2, .window = 5});
    const double before = evaluate(model, batches, 1);
    Trainer trainer(model, Adam(0.02), batches, {.threads = 1});
    trainer.run(steps(10));
    const double after = evaluate(model, batches, 1);
    std::cout << before << " -> " << after << " nats a character\n";
    return trainer.progress().step == 10 && after < before ? 0 : 1;
}
