#include <doctest/doctest.h>

#include <charrnn/data/alphabet.hpp>
#include <charrnn/data/batches.hpp>
#include <charrnn/nn/model.hpp>
#include <charrnn/optim/adam.hpp>
#include <charrnn/optim/sgd.hpp>
#include <charrnn/train/recovery.hpp>
#include <cmath>
#include <limits>
#include <string>
#include <vector>

#include "train/setting.hpp"

namespace recovery_test {

using namespace charrnn;
using test::values;

namespace {

struct Setting : test::Setting {
    Setting()
        : test::Setting{
              .text = test::words(1000), .shape = {.lanes = 4, .window = 8}, .hidden = 8, .layers = 1} {}
    Model<> trained = model();
};

}  // namespace

TEST_CASE("a healthy run is the same with and without recovery") {
    Setting a, b;
    Trainer plain(a.trained, Adam(0.01), a.batches());
    Trainer watched(b.trained, Adam(0.01), b.batches());
    Recovery recovery(watched, {.every = 10});
    plain.run(steps(60));
    CHECK(recovery.run(steps(60)) == Stop::done);
    CHECK(values(a.trained) == values(b.trained));
}

TEST_CASE("a trainer trains on without a recovery that is gone") {
    Setting s;
    Trainer trainer(s.trained, SGD(0.1), s.batches());
    {
        Recovery recovery(trainer, {.explosion = 1e-9});  // which calls everything one
        CHECK_THROWS_AS(trainer.run(steps(20)), numeric_error);
    }
    const auto before = trainer.state().step;
    trainer.run(steps(20));
    CHECK(trainer.state().step == before + 20);
}

TEST_CASE("a recovery's run ends after so many epochs or steps, whichever comes first") {
    Setting s;
    Trainer trainer(s.trained, Adam(0.01), s.batches());
    Recovery recovery(trainer);
    const std::size_t windows = s.batches().windows();
    REQUIRE(windows > 10);
    CHECK(recovery.run(epochs(1)) == Stop::done);
    CHECK(trainer.state().step == windows);
    CHECK(recovery.run(Budget{.steps = 7, .epochs = 1, .seconds = {}}) == Stop::done);
    CHECK(trainer.state().step == windows + 7);
    CHECK(recovery.run(Budget{.steps = 10 * windows, .epochs = 0.5, .seconds = {}}) == Stop::done);
    CHECK(trainer.state().step == windows + 7 + (windows + 1) / 2);
}

TEST_CASE("a model that is not finite has no good state to come back to") {
    Setting s;
    Trainer trainer(s.trained, Adam(0.01), s.batches());
    trainer.model().parameters()[1].data[2] = std::numeric_limits<float>::infinity();
    CHECK_THROWS_WITH_AS(Recovery(trainer, {}), doctest::Contains("layers.0.cell.Wh is not finite"),
                         numeric_error);
}

TEST_CASE(
    "a weight that is not finite: back to the snapshot, with a lower learning rate, and on to the end") {
    Setting s;
    Trainer trainer(s.trained, Adam(0.01), s.batches());
    Recovery recovery(trainer, {.every = 10});
    std::vector<Divergence> seen;
    recovery.on_divergence([&](const Divergence& d) { seen.push_back(d); });
    bool spoilt = false;
    trainer.every_step([&](const Progress& p) {
        if (p.step != 35 || spoilt) return;
        spoilt = true;
        trainer.model().parameters()[0].data[0] = std::numeric_limits<float>::infinity();
    });
    CHECK(recovery.run(steps(60)) == Stop::done);
    CHECK(trainer.state().step == 60);
    REQUIRE(seen.size() == 1);
    CHECK(seen[0].reason.find("is not finite") != std::string::npos);
    CHECK(seen[0].step >= 35);
    CHECK(seen[0].back == 30);
    CHECK(seen[0].learning_rate == doctest::Approx(0.005));
    CHECK(trainer.state().lr == doctest::Approx(0.005));
    for (const float x : values(s.trained)) CHECK(std::isfinite(x));
}

TEST_CASE("an exploding loss: back, slower, and on to the end") {
    Setting s;
    Trainer trainer(s.trained, Adam(0.01), s.batches());
    Recovery recovery(trainer, {.every = 10});
    std::vector<Divergence> seen;
    recovery.on_divergence([&](const Divergence& d) { seen.push_back(d); });
    // From step 40 on the learning rate is absurd, until recovery has lowered it often enough.
    bool raised = false;
    trainer.every_step([&](const Progress& p) {
        if (p.step != 40 || raised) return;
        raised = true;
        trainer.set_lr(50);
    });
    CHECK(recovery.run(steps(120)) == Stop::done);
    CHECK(trainer.state().step == 120);
    REQUIRE(!seen.empty());
    CHECK(seen[0].reason.find("the loss has exploded: ") != std::string::npos);
    CHECK(seen[0].step > 40);
    CHECK(seen[0].back <= 40);
    CHECK(seen[0].attempt == 1);
    CHECK(trainer.state().lr == doctest::Approx(seen.back().learning_rate));
    CHECK(trainer.progress().loss < 3);
}

TEST_CASE("a loss that explodes at once is seen too") {
    Setting s;
    Trainer trainer(s.trained, SGD(1e6), s.batches());
    Recovery recovery(trainer);
    CHECK_THROWS_WITH_AS(recovery.run(steps(5)), doctest::Contains("the loss has exploded"), numeric_error);
    CHECK(trainer.state().step == 0);
    Setting again;
    Trainer blind(again.trained, SGD(1e6), again.batches());
    Recovery never(blind, {.explosion = 0});
    CHECK(never.run(steps(5)) == Stop::done);
}

TEST_CASE("what does not get better is given up with a clear error, at a good state") {
    Setting s;
    Trainer trainer(s.trained, Adam(0.01), s.batches());
    Recovery recovery(trainer, {.every = 5, .tries = 3});
    std::size_t said = 0;
    recovery.on_divergence([&](const Divergence&) { ++said; });
    trainer.every_step([&](const Progress& p) {
        if (p.step == 22) throw numeric_error("step 22: the loss is not finite");
    });
    std::string message;
    try {
        recovery.run(steps(50));
    } catch (const numeric_error& e) {
        message = e.what();
    }
    CAPTURE(message);
    CHECK(message.find("training diverges: step 22: the loss is not finite") == 0);
    CHECK(message.find("3 times in a row; the run is back at step 15") != std::string::npos);
    CHECK(said == 3);
    CHECK(trainer.state().step == 15);
    for (const float x : values(s.trained)) CHECK(std::isfinite(x));
    CHECK_THROWS_AS(Recovery(trainer, {.factor = 1}), value_error);
    CHECK_THROWS_AS(Recovery(trainer, {.every = 0}), value_error);
}

}  // namespace recovery_test
