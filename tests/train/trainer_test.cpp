#include <doctest/doctest.h>
#include <sys/wait.h>
#include <unistd.h>

#include <atomic>
#include <charrnn/charrnn.hpp>
#include <cmath>
#include <cstring>
#include <numeric>
#include <string>
#include <vector>

#include "train/setting.hpp"

namespace trainer_test {

using namespace charrnn;
using test::Setting, test::values;
using namespace std::chrono_literals;

namespace {

/// The losses of so many steps.
template <class Between>
std::vector<double> losses(const Setting& s, Model<>& model, std::uint64_t n, TrainerOptions options,
                           Between between) {
    Trainer trainer(model, Adam(0.01), s.batches(), options);
    std::vector<double> list;
    trainer.every_step([&](const Progress& p) {
        list.push_back(p.loss);
        between(p);
    });
    trainer.run(steps(n));
    return list;
}

}  // namespace

TEST_CASE("a model learns: the loss falls far below that of chance") {
    const Setting s;
    for (const char* cell : {"lstm", "rnn"}) {
        Model<> model = s.model(cell);
        const auto list = losses(s, model, 300, {}, [](const Progress&) {});
        CHECK(list.front() == doctest::Approx(std::log(static_cast<double>(s.alphabet.size()))).epsilon(0.1));
        CHECK(list.back() < 0.8);
    }
}

TEST_CASE("[threads] results are the same bits for any number of threads and slices") {
    Setting s;
    s.shape.lanes = 18;
    for (const char* cell : {"lstm", "gru", "rnn"}) {
        std::vector<double> first_losses;
        std::vector<float> first_values;
        for (const auto& [threads, slices] :
             {std::pair<std::size_t, std::size_t>{1, 1}, {1, 4}, {2, 4}, {4, 4}, {2, 2}, {3, 5}, {2, 12}}) {
            Model<> model = s.model(cell);
            const auto list = losses(s, model, 30, {.clip = 0.5, .threads = threads, .slices = slices},
                                     [](const Progress&) {});
            if (first_losses.empty()) {
                first_losses = list;
                first_values = values(model);
            }
            CHECK(list == first_losses);
            CHECK(values(model) == first_values);
        }
    }
}

TEST_CASE("sampling, probing and validating in the middle of training change nothing") {
    const Setting s;
    Model<> plain = s.model();
    Model<> disturbed = s.model();
    const auto expected = losses(s, plain, 40, {}, [](const Progress&) {});
    std::size_t written = 0;
    const auto got = losses(s, disturbed, 40, {}, [&](const Progress& p) {
        if (p.step != 17) return;
        sample_to(disturbed, s.alphabet, 10'000, {.seed = 3},
                  [&](std::string_view c) { written += c.size(); });
        CHECK(probe(disturbed, s.batches()) == probe(disturbed, s.batches()));
        CHECK(evaluate(disturbed, s.batches()) > 0);
    });
    CHECK(written == 10'000);
    CHECK(got == expected);
    CHECK(values(disturbed) == values(plain));
}

TEST_CASE("a run goes on exactly where it stopped") {
    const Setting s;
    Model<> whole = s.model();
    Model<> parts = s.model();
    Trainer a(whole, Adam(0.01), s.batches(), {.decay = 0.9});
    Trainer b(parts, Adam(0.01), s.batches(), {.decay = 0.9});
    a.run(steps(70));
    for (const std::uint64_t n : {1U, 24U, 25U, 0U, 20U}) b.run(steps(n));
    CHECK(values(parts) == values(whole));
    CHECK(b.state().step == 70);
    CHECK(b.state().epoch == 70 / s.batches().windows());
    CHECK(b.state().window == 70 % s.batches().windows());
}

TEST_CASE("the rest of a budget counts from the beginning of the run") {
    const Setting s;
    Model<> model = s.model();
    Trainer trainer(model, Adam(0.01), s.batches());
    const std::uint64_t windows = s.batches().windows();
    trainer.run(steps(10));
    CHECK(trainer.rest(steps(25)).steps == 15);
    CHECK(trainer.rest(steps(3)).steps == 0);
    CHECK(trainer.rest(epochs(2)).steps == 2 * windows - 10);
    CHECK_FALSE(trainer.rest(epochs(2)).epochs);
    CHECK(trainer.rest({.steps = 25, .epochs = 2, .seconds = 7}).steps == 15);
    CHECK(trainer.rest({.steps = 25, .epochs = 2, .seconds = 7}).seconds == 7);
    CHECK_FALSE(trainer.rest({.steps = {}, .epochs = {}, .seconds = 7}).steps);
    CHECK_THROWS_WITH_AS((void)trainer.rest(epochs(std::nan(""))), "run: epochs is negative or NaN",
                         value_error);

    trainer.run(trainer.rest(epochs(1)));
    CHECK(trainer.state().epoch == 1);
    CHECK(trainer.state().window == 0);
    trainer.run(trainer.rest(epochs(1)));  // nothing is left
    CHECK(trainer.state().step == windows);
}

TEST_CASE("a snapshot is a copy of the run and the model, and going back to it repeats the run") {
    const Setting s;
    Model<> model = s.model();
    Trainer trainer(model, Adam(0.01), s.batches());
    trainer.run(steps(30));
    const auto snapshot = trainer.state();
    const Model<> copy = model;
    trainer.run(steps(15));
    const auto expected = values(model);
    Model<> again = copy;
    Trainer other(again, Adam(0.01), s.batches(), {.threads = 1});
    other.restore(snapshot);
    other.run(steps(15));
    CHECK(values(again) == expected);
    CHECK(other.state().characters == trainer.state().characters);
}

TEST_CASE("epochs, learning-rate decay and the count of targets") {
    const Setting s;
    Model<> model = s.model();
    Trainer trainer(model, Adam(0.01), s.batches(), {.decay = 0.5});
    int epochs_seen = 0;
    trainer.every_epoch([&](const Progress& p) {
        ++epochs_seen;
        CHECK(p.epoch == static_cast<std::uint64_t>(epochs_seen));
        CHECK(p.learning_rate == doctest::Approx(0.01 * std::pow(0.5, epochs_seen - 1)));
    });
    trainer.run(epochs(2));
    CHECK(epochs_seen == 2);
    CHECK(trainer.state().characters == 2 * (s.text.size() - 1));
    CHECK(trainer.learning_rate() == doctest::Approx(0.0025));
    trainer.set_lr(0.1);
    CHECK(trainer.learning_rate() == doctest::Approx(0.025));
}

TEST_CASE("a run can be asked to stop, by time, and by a question") {
    const Setting s;
    Model<> model = s.model();
    Trainer trainer(model, Adam(0.01), s.batches());
    CHECK(trainer.run(50ms) == Stop::done);
    const auto so_far = trainer.state().step;
    CHECK(so_far > 0);
    trainer.stop_when([&] { return trainer.state().step >= so_far + 3; });
    CHECK(trainer.run(epochs(100)) == Stop::requested);
    CHECK(trainer.state().step == so_far + 3);
}

TEST_CASE("Ctrl-C stops between two steps and leaves the model usable") {
    const Setting s;
    Model<> model = s.model();
    Trainer trainer(model, Adam(0.01), s.batches());
    const InterruptGuard guard;
    trainer.stop_when(interrupted);
    trainer.every_step([](const Progress& p) {
        if (p.step == 5) std::raise(SIGINT);
    });
    CHECK(trainer.run(epochs(100)) == Stop::requested);
    CHECK(trainer.state().step == 5);
    CHECK(sample(model, s.alphabet, 20).size() == 20);
}

TEST_CASE("a second Ctrl-C or SIGTERM ends the program at once") {
    for (const int first : {SIGINT, SIGTERM})
        for (const int second : {SIGINT, SIGTERM}) {
            const pid_t child = ::fork();
            if (child == 0) {
                const InterruptGuard guard;
                std::raise(first);
                if (InterruptGuard::signal() != first) ::_exit(1);
                std::raise(second);
                ::_exit(2);
            }
            int status = 0;
            REQUIRE(::waitpid(child, &status, 0) == child);
            CHECK(WIFSIGNALED(status));
            CHECK(WTERMSIG(status) == second);
        }
}

TEST_CASE("a validation that is asked to stop has no loss") {
    const Setting s;
    const Model<> model = s.model();
    std::size_t asked = 0;
    CHECK(std::isnan(evaluate(model, s.batches(), 1, [&] { return ++asked == 3; })));
    CHECK(asked == 3);
    CHECK(evaluate(model, s.batches(), 1, [] { return false; }) == evaluate(model, s.batches(), 1));
}

TEST_CASE("callbacks on a throttle come, but not more often than asked") {
    const Setting s;
    Model<> model = s.model();
    Trainer trainer(model, Adam(0.01), s.batches());
    int often = 0, never = 0;
    trainer.every(0ms, [&](const Progress&) { ++often; });
    trainer.every(1h, [&](const Progress&) { ++never; });
    trainer.run(steps(10));
    CHECK(often == 10);
    CHECK(never == 0);
}

TEST_CASE("callbacks come in the order of what has ended, and may add others") {
    const Setting s;
    Model<> model = s.model();
    Trainer trainer(model, Adam(0.01), s.batches());
    std::string order;
    trainer.after_step([&](const Progress&) { order += 'l'; });
    trainer.every(0ms, [&](const Progress&) { order += 't'; });
    trainer.every_epoch([&](const Progress&) { order += 'e'; });
    trainer.every_step([&](const Progress&) { order += 's'; });
    trainer.run(epochs(1));
    std::string expected;
    for (std::size_t i = 1; i < trainer.source().windows(); ++i) expected += "stl";
    CHECK(order == expected + "setl");

    int added = 0, behind = 0;
    trainer.every_step([&, first = true](const Progress& p) mutable {
        if (!first) return;
        for (int i = 0; i < 100; ++i)
            trainer.every_step([&added, step = p.step](const Progress& q) {
                if (q.step > step) ++added;
            });
        for (int i = 0; i < 100; ++i) trainer.every(1h, [](const Progress&) {});
        first = false;  // after the hundred, in what has to stand where it stood
    });
    trainer.every_step([&](const Progress&) { ++behind; });
    trainer.run(steps(3));
    CHECK(added == 200);
    CHECK(behind == 3);
}

TEST_CASE("clipping bounds the norm of what the optimiser sees, and nothing else") {
    const Setting s;
    Model<> a = s.model();
    Model<> b = s.model();
    const auto free_losses = losses(s, a, 20, {}, [](const Progress&) {});
    const auto high_losses = losses(s, b, 20, {.clip = 1e6}, [](const Progress&) {});
    CHECK(free_losses == high_losses);
    Model<> c = s.model();
    const auto clipped =
        losses(s, c, 20, {.clip = 1e-3}, [](const Progress& p) { CHECK(p.gradient_norm > 1e-3); });
    CHECK(clipped.front() == free_losses.front());
    CHECK(clipped.back() != free_losses.back());
}

TEST_CASE("cutting the gradient every step inside the window loses what has to be remembered") {
    // Blocks such as "c----c": the second letter is known only to who remembers the first.
    Random random(1);
    std::string blocks;
    for (int i = 0; i < 1200; ++i) {
        const char letter = static_cast<char>('a' + random.below(8));
        blocks += letter + std::string("----") + letter;
    }
    Setting s;
    s.text = Text::from_string(blocks);
    s.alphabet = Alphabet(s.text, U'\v');
    const auto last_losses = [&](std::size_t truncate) {
        Model<> model = s.model();
        const auto list = losses(s, model, 1500, {.truncate = truncate}, [](const Progress&) {});
        return std::accumulate(list.end() - 100, list.end(), 0.0) / 100;
    };
    const double forgetful = 2 * std::log(8.0) / 6, mindful = std::log(8.0) / 6;  // nats a character
    const double whole = last_losses(0);
    CHECK(whole == last_losses(10));  // cuts only at the window's edge, where they are anyway
    CHECK(whole < 0.75 * mindful + 0.25 * forgetful);
    CHECK(last_losses(1) > 0.5 * mindful + 0.5 * forgetful);
}

TEST_CASE("a loss that is not finite stops the run, and the parameters are those before the step") {
    const Setting s;
    Model<> model = s.model();
    Trainer trainer(model, Adam(0.01), s.batches());
    trainer.run(steps(3));
    model.parameters().back().data[0] = std::nanf("");
    const auto before = values(model);
    try {
        trainer.run(steps(1));
        FAIL("expected numeric_error");
    } catch (const numeric_error& e) {
        CHECK(std::string(e.what()).find("step 4: the loss is not finite") == 0);
    }
    const auto after = values(model);
    CHECK(std::memcmp(before.data(), after.data(), before.size() * sizeof(float)) == 0);
    CHECK(trainer.state().step == 3);
    model.parameters().back().data[0] = 0;
    trainer.run(steps(1));
    CHECK(trainer.state().step == 4);
}

TEST_CASE("settings out of range get a sentence") {
    const Setting s;
    Model<> model = s.model();
    const auto message = [&](Adam adam, TrainerOptions options) -> std::string {
        try {
            Trainer trainer(model, adam, s.batches(), options);
        } catch (const error& e) {
            return e.what();
        }
        return "no error";
    };
    CHECK(message(Adam(std::nan("")), {}) == "learning rate is nan: expected a positive number");
    CHECK(message(Adam(-1), {}).find("learning rate is -1") == 0);
    CHECK(message(Adam(0.1), {.clip = -1}).find("clip is -1") == 0);
    CHECK(message(Adam(0.1), {.clip = std::nan("")}).find("clip is nan") == 0);
    CHECK(message(Adam(0.1), {.decay = 0}).find("decay is 0") == 0);
    CHECK(message(Adam(0.1), {}) == "no error");
    const double nan = std::nan("");
    for (const double beta : {nan, -0.1, 1.0})
        CHECK(message(Adam(0.1, beta), {}).find("Adam: beta1 is ") == 0);
    CHECK(message(Adam(0.1, 0.9, 1), {}) == "Adam: beta2 is 1: expected 0 or more, and less than 1");
    CHECK(message(Adam(0.1, 0.9, 0.999, 0), {}) == "Adam: epsilon is 0: expected more than 0");
    CHECK(message(AdamW(0.1, -1), {}) == "Adam: weight_decay is -1: expected 0 or more");
    CHECK_THROWS_AS(Trainer(model, SGD(0.1, {.momentum = nan}), s.batches()), value_error);
    CHECK_THROWS_AS(Trainer(model, SGD(0.1, {.weight_decay = nan}), s.batches()), value_error);
    CHECK_THROWS_AS(Trainer(model, RMSProp(0.1, nan), s.batches()), value_error);
    CHECK_THROWS_AS(Trainer(model, RMSProp(0.1, 0.9, 1e-8, nan), s.batches()), value_error);

    Model<> other = char_rnn("lstm", s.alphabet.size() + 1, 8, 1);
    CHECK_THROWS_AS(Trainer(other, Adam(0.1), s.batches()), shape_error);
    CHECK_THROWS_AS(evaluate(other, s.batches()), shape_error);
    CHECK_THROWS_AS(probe(model, s.batches(), 0), value_error);

    Trainer trainer(model, Adam(0.1), s.batches());
    CHECK_THROWS_AS(trainer.run(epochs(-1)), value_error);
    CHECK_THROWS_AS(trainer.set_lr(0), value_error);
    auto state = trainer.state();
    state.window = 1000;
    CHECK_THROWS_AS(trainer.restore(state), shape_error);
    Model<> wider = char_rnn("lstm", s.alphabet.size(), 21, 2);
    Trainer wide(wider, Adam(0.1), s.batches());
    CHECK_THROWS_AS(wide.restore(trainer.state()), shape_error);
}

static_assert(!std::is_constructible_v<Trainer<Model<>, Adam, Batches>, Model<>&&, Adam, Batches>,
              "a temporary model must not compile");
static_assert(std::is_constructible_v<Trainer<Model<>, Adam, Batches>, Model<>&, Adam, Batches>);

}  // namespace trainer_test
