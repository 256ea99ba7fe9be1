#include <doctest/doctest.h>

#include <charrnn/charrnn.hpp>
#include <string>

#include "nn/instances.hpp"

using namespace charrnn;

TEST_CASE("recipe: the rate rises, falls along a cosine, and is nothing at the end") {
    const Recipe recipe{.epochs = 4, .warm_up = 10};
    const Schedule s = recipe.schedule();
    CHECK(s(0, 100) == doctest::Approx(0.1));
    CHECK(s(4, 100) == doctest::Approx(0.5).epsilon(0.01));
    CHECK(s(10, 100) > 0.99);
    CHECK(s(200, 100) == doctest::Approx(0.5));
    CHECK(s(400, 100) == doctest::Approx(0));
    const Recipe sudden{.epochs = 1, .warm_up = 0};
    CHECK(sudden.schedule()(0, 100) == 1);
}

TEST_CASE("recipe: weight decay is AdamW's") {
    CHECK_FALSE(Recipe{}.optimiser().decoupled);
    const Adam a = Recipe{.lr = 0.02, .weight_decay = 0.1}.optimiser();
    CHECK(a.decoupled);
    CHECK(a.lr == 0.02);
    CHECK(a.weight_decay == 0.1);
    CHECK(Recipe{.clip = 2}.options().clip == 2);
}

TEST_CASE("recipe: values out of range are errors where they are used") {
    CHECK_THROWS_AS((void)Recipe{.epochs = 0}.schedule(), value_error);
    const Text text = Text::from_string("a small text, again and again a small text");
    const Alphabet alphabet(text, U'\v');
    Random random(1);
    Model<> model = char_rnn("gru", alphabet.size(), 8, 1, random);
    const Batches batches(text, alphabet, {.lanes = 2, .window = 5});
    const auto make = [&](const Recipe& r) { Trainer t(model, r.optimiser(), batches, r.options()); };
    CHECK_THROWS_AS(make({.lr = 0}), value_error);
    CHECK_THROWS_AS(make({.clip = -1}), value_error);
}

TEST_CASE("recipe: a run of its length ends with a better model than it began with") {
    std::string words;
    for (int i = 0; i < 60; ++i)
        words += "the quick brown fox jumps over the lazy dog " + std::to_string(i % 7) + ". ";
    const Text text = Text::from_string(words);
    const Alphabet alphabet(text, U'\v');
    Random random(1);
    const Recipe recipe{.epochs = 6, .warm_up = 10};
    Model<> model = char_rnn("gru", alphabet.size(), 24, 1, random, {.dropout = recipe.dropout});
    const Batches batches(text, alphabet, {.lanes = 4, .window = 20});
    Trainer trainer(model, recipe.optimiser(), batches, recipe.options());
    trainer.run(epochs(recipe.epochs));
    CHECK(trainer.learning_rate() == doctest::Approx(0));
    CHECK(evaluate(model, batches) < 1);
}
