#include <doctest/doctest.h>

#include <charrnn/data/batches.hpp>
#include <charrnn/optim/adam.hpp>
#include <charrnn/optim/rmsprop.hpp>
#include <charrnn/optim/schedule.hpp>
#include <charrnn/train/checkpoint.hpp>
#include <charrnn/train/sample.hpp>
#include <string>

#include "nn/instances.hpp"

namespace golden_checkpoint_test {

using namespace charrnn;

// Made by version 0.1.0: one layer of width 2 on "abcabba cab", 2 lanes, windows of 2, three steps of Adam(0.01) from
// Random(1). They must load for ever; the numbers are those of the run that went on when they were made.
TEST_CASE("checkpoints of released versions load, write the same text, and go on") {
    const Text text = Text::from_string("abcabba cab");
    const Alphabet alphabet(text, U'\v');
    for (const std::string cell : {"lstm", "rnn"}) {
        CAPTURE(cell);
        const std::string path = CHARRNN_GOLDEN_DIR "/checkpoints/" + cell + "-0.1.0.safetensors";
        auto loaded = load_model(path);
        CHECK(loaded.alphabet == alphabet);
        CHECK(sample(loaded.model, loaded.alphabet, 8, {.prompt = "ab", .temperature = 0, .seed = 1}) ==
              (cell == "lstm" ? "abaabaaaba" : "abcccccccc"));
        Trainer trainer(loaded.model, Adam(0.01), Batches(text, alphabet, {.lanes = 2, .window = 2}));
        const Resumed resumed = resume(path, trainer);
        CHECK(trainer.state().step == 3);
        CHECK(resumed.extra.best_loss == 1.5);
        CHECK(resumed.extra.best_step == 2);
        CHECK(resumed.extra.log->bytes == 100);
        CHECK(resumed.extra.notes.at("--lr") == "0.01");
        trainer.run(steps(2));
        CHECK(trainer.progress().loss ==
              doctest::Approx(cell == "lstm" ? 1.37877204 : 1.86577429).epsilon(1e-5));
    }
}

// The same, with an embedding, dropout, RMSProp and a schedule.
TEST_CASE("a checkpoint of a gated recurrent unit goes on") {
    const Text text = Text::from_string("abcabba cab");
    const Alphabet alphabet(text, U'\v');
    const std::string path = CHARRNN_GOLDEN_DIR "/checkpoints/gru-0.1.0.safetensors";
    auto loaded = load_model(path);
    CHECK(sample(loaded.model, loaded.alphabet, 8, {.prompt = "ab", .temperature = 0, .seed = 1}) ==
          "abcbcbcbcb");
    Trainer trainer(loaded.model, RMSProp(0.01, 0.95), Batches(text, alphabet, {.lanes = 2, .window = 2}),
                    {.seed = 3, .schedule = warm_up(steps(4)) * cosine(epochs(9), 0.1)});
    for (const std::string& difference : resume(path, trainer, alphabet).differences)
        CHECK(difference.find("the schedule") == std::string::npos);  // the machine may be another one
    CHECK(trainer.state().step == 3);
    trainer.run(steps(2));
    CHECK(trainer.progress().loss == doctest::Approx(1.40146227).epsilon(1e-5));
}

}  // namespace golden_checkpoint_test
