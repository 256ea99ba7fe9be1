#include <doctest/doctest.h>

#include <charrnn/charrnn.hpp>
#include <cmath>
#include <limits>
#include <vector>

#include "train/setting.hpp"

namespace learning_test {

// Schedules, rates by layer, clipping by value and early stopping, at work in a Trainer.

using namespace charrnn;
using test::values;

namespace {

struct Setting {
    Text text = Text::from_string(std::string(600, 'a') + "the quick brown fox jumps over the lazy dog");
    Alphabet alphabet{text};
    Batches batches{text, alphabet, {.lanes = 8, .window = 10}};

    [[nodiscard]] Model<> model() const {
        Random random(7);
        return char_rnn("lstm", alphabet.size(), 9, 1, random);
    }
};

}  // namespace

TEST_CASE("trainer: the rate follows the schedule, and stays where it was after a resumption") {
    const Setting s;
    const Schedule schedule = warm_up(steps(5)) * cosine_restarts(epochs(1), 2, 0.1);
    Model<> whole = s.model(), parts = s.model();
    Trainer a(whole, Adam(0.01), s.batches, {.schedule = schedule});
    const std::size_t epoch = s.batches.windows();
    std::vector<std::uint64_t> cycles;
    a.every_step([&](const Progress& p) { CHECK(p.learning_rate == 0.01 * schedule(p.step - 1, epoch)); });
    a.every_cycle([&](const Progress& p) { cycles.push_back(p.step); });
    a.run(epochs(4));
    CHECK(cycles == std::vector<std::uint64_t>{epoch, 3 * epoch});

    Trainer b(parts, Adam(0.01), s.batches, {.schedule = schedule});
    b.run(steps(epoch + 3));
    Trainer c(parts, Adam(0.01), s.batches, {.schedule = schedule});
    c.restore(b.state());
    int more = 0;
    c.every_cycle([&](const Progress&) { ++more; });
    c.run(steps(3 * epoch - 3));
    CHECK(values(parts) == values(whole));
    CHECK(more == 1);
}

TEST_CASE("trainer: another schedule begins where it is set") {
    const Setting s;
    Model<> model = s.model();
    Trainer trainer(model, SGD(0.1), s.batches);
    trainer.run(steps(7));
    CHECK(trainer.learning_rate() == 0.1);
    trainer.set_schedule(linear(steps(4), 1, 0));
    CHECK(trainer.learning_rate() == 0.1);
    trainer.run(steps(2));
    CHECK(trainer.learning_rate() == doctest::Approx(0.05));
    trainer.set_lr(0.2);
    CHECK(trainer.learning_rate() == doctest::Approx(0.1));
    const auto state = trainer.state();
    CHECK(state.schedule_start == 7);
}

TEST_CASE("trainer: a rate for each layer") {
    const Setting s;
    Model<> all = s.model(), half = s.model(), frozen = s.model();
    const auto before = values(all);
    const auto train = [&](Model<>& m, std::vector<double> rates) {
        Trainer trainer(m, SGD(0.1), s.batches, {.rates = std::move(rates)});
        trainer.run(steps(1));
        return values(m);
    };
    const auto one = train(all, {}), two = train(half, {0.5, 1}), none = train(frozen, {0, 1});
    const std::size_t dense = (9 + 1) * s.alphabet.size(), recurrent = before.size() - dense;
    for (std::size_t i = 0; i < before.size(); ++i) {
        if (i < recurrent) {
            CHECK(two[i] - before[i] == doctest::Approx(0.5F * (one[i] - before[i])).epsilon(1e-3));
            CHECK(none[i] == before[i]);
        } else {
            CHECK(two[i] == one[i]);
            CHECK(none[i] == one[i]);
        }
    }
    Trainer trainer(all, SGD(0.1), s.batches);
    CHECK_THROWS_WITH_AS(trainer.set_rates({1}), "rates: 1 factors, expected 2, one a layer", value_error);
    CHECK_THROWS_AS(trainer.set_rates({1, -1}), value_error);
}

TEST_CASE("trainer: clipping by value") {
    const Setting s;
    Model<> clipped = s.model(), plain = s.model(), loose = s.model();
    const auto before = values(clipped);
    const auto train = [&](Model<>& m, double clip_value) {
        Trainer trainer(m, SGD(1), s.batches, {.clip_value = clip_value});
        trainer.run(steps(1));
        return values(m);
    };
    const auto small = train(clipped, 0.001), all = train(plain, 0), same = train(loose, 100);
    CHECK(all == same);
    for (std::size_t i = 0; i < before.size(); ++i) {
        const double d = static_cast<double>(before[i]) - static_cast<double>(all[i]);
        const double want = std::min(std::max(d, -0.001), 0.001);
        CHECK(static_cast<double>(before[i]) - static_cast<double>(small[i]) ==
              doctest::Approx(want).epsilon(1e-3).scale(1e-4));
    }
    CHECK_THROWS_AS(Trainer(plain, SGD(1), s.batches, {.clip_value = -1}), value_error);
}

TEST_CASE("trainer: every optimiser learns") {
    const Setting s;
    const auto last = [&](auto optimiser) {
        Model<> m = s.model();
        Trainer trainer(m, optimiser, s.batches, {.clip = 5});
        trainer.run(epochs(12));
        return evaluate(m, s.batches);
    };
    CHECK(last(SGD(1, {.momentum = 0.9})) < 1);
    CHECK(last(RMSProp(0.01)) < 1);
    CHECK(last(AdamW(0.01)) < 1);
}

TEST_CASE("trainer: an embedding and the output tied are one [threads]") {
    const Setting s;
    const std::size_t V = s.alphabet.size();
    const auto make = [&] {
        Random random(3);
        return char_rnn("gru", V, 6, 1, random, {.embedding = 6});
    };
    const TrainerOptions tied{.threads = 1, .ties = {{"layers.0.W", "layers.2.W"}}};
    Model<> model = make(), apart = make();
    Trainer trainer(model, SGD(0.5), s.batches, tied);
    const auto value = [](Model<>& m, const char* name, std::size_t i) { return parameter(m, name).data[i]; };
    for (std::size_t i = 0; i < V; ++i)
        for (std::size_t j = 0; j < 6; ++j)
            parameter(apart, "layers.2.W").data[j * V + i] = value(apart, "layers.0.W", i * 6 + j);
    const Model<> before = apart;
    Model<> first = before;
    Trainer untied(apart, SGD(0.5), s.batches, {.threads = 1});
    trainer.run(steps(1));
    untied.run(steps(1));
    for (std::size_t i = 0; i < V; ++i)
        for (std::size_t j = 0; j < 6; ++j) {
            const float was = value(first, "layers.0.W", i * 6 + j);
            // Both places' steps at once.
            CHECK(value(model, "layers.0.W", i * 6 + j) - was ==
                  doctest::Approx(value(apart, "layers.0.W", i * 6 + j) - was +
                                  value(apart, "layers.2.W", j * V + i) - was)
                      .epsilon(1e-3)
                      .scale(1e-3));
            CHECK(value(model, "layers.2.W", j * V + i) == value(model, "layers.0.W", i * 6 + j));
        }
    trainer.run(steps(40));
    TrainerOptions two_threads = tied;
    two_threads.threads = 2;
    Model<> other = make();
    Trainer twin(other, SGD(0.5), s.batches, two_threads);
    twin.run(steps(41));
    CHECK(values(other) == values(model));
    CHECK_THROWS_AS(Trainer(other, SGD(1), s.batches, {.ties = {{"layers.0.W", "layers.2.b"}}}), shape_error);
    CHECK_THROWS_AS(Trainer(other, SGD(1), s.batches, {.ties = {{"layers.0.W", "layers.9.W"}}}), value_error);
}

TEST_CASE("early stopping: after some losses in a row without a better one") {
    EarlyStopping stopping(2, 0.01);
    CHECK(stopping.add(2));
    CHECK(stopping.add(1.5));
    CHECK(!stopping.add(1.495));  // within the margin
    CHECK(!stopping.reached());
    CHECK(!stopping.add(std::nan("")));
    CHECK(stopping.reached());
    CHECK(stopping.best() == 1.5);
    CHECK(stopping.best_at() == 2);
    EarlyStopping again(3, 0.01);  // in another process, with more patience
    again.restore(stopping.state());
    CHECK(!again.reached());
    CHECK(again.best() == 1.5);
    CHECK(!again.add(1.5));
    CHECK(again.reached());
    CHECK_THROWS_AS(EarlyStopping(0), value_error);
    CHECK_THROWS_AS(EarlyStopping(1, -0.1), value_error);

    const Setting s;
    Model<> m = s.model();
    Trainer trainer(m, Adam(0.01), s.batches);
    EarlyStopping never_better(3);
    never_better.add(0);
    trainer.every_epoch([&](const Progress&) { never_better.add(evaluate(m, s.batches)); });
    trainer.stop_when([&] { return never_better.reached(); });
    CHECK(trainer.run(epochs(50)) == Stop::requested);
    CHECK(trainer.state().epoch == 3);
}

}  // namespace learning_test
