// Not part of the test program. Compiled once for each CASE by CTest: 0 compiles, every other one must fail with the
// sentence that CMakeLists.txt names.
#include <charrnn/nn/chain.hpp>
#include <charrnn/nn/runner.hpp>

using namespace charrnn;

int main() {
#if CASE == 0
    const Chain model(LSTM(3, 2), Dense(2, 3), softmax);
    Stateful run(model);
#elif CASE == 1
    const Chain model(LSTM(3, 2), softmax, Dense(2, 3));
#elif CASE == 2
    const Chain model(LSTM<double>(3, 2), Dense<float>(2, 3));
#elif CASE == 3
    const Chain model(LSTM(3, 2), 5);
#elif CASE == 4
    const Chain model(LSTMCell{3, 2}, Dense(2, 3));
#elif CASE == 5
    const Chain model(softmax);
#elif CASE == 6
    Stateful run(Chain(LSTM(3, 2)));
#endif
}
