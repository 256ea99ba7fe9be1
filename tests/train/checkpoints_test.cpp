#include <doctest/doctest.h>

#include <cerrno>
#include <cmath>
#include <limits>

#include <charrnn/optim/schedule.hpp>
#include <charrnn/optim/sgd.hpp>
#include <charrnn/train/checkpoints.hpp>
#include <charrnn/train/saver.hpp>
#include <filesystem>
#include <fstream>
#include <string>

#include "temporary_folder.hpp"
#include "train/setting.hpp"

namespace checkpoints_test {

using namespace charrnn;
using test::contents;

namespace {

void add(Checkpoints& kept, std::uint64_t step, std::optional<double> loss) {
    kept.add(step, loss, [&](const std::string& path) { write_atomically(path, std::to_string(step)); });
}

std::string steps_of(const Checkpoints& kept) {
    std::string s;
    for (const auto& e : kept.entries()) s += (s.empty() ? "" : " ") + std::to_string(e.step);
    return s;
}

std::size_t files_in(const std::string& folder) {
    std::size_t n = 0;
    for (const auto& entry : std::filesystem::directory_iterator(folder)) n += entry.exists() ? 1 : 0;
    return n;
}

}  // namespace

TEST_CASE("the last ones and the best ones are kept, and found by their links") {
    const test::TemporaryFolder folder;
    Checkpoints kept(folder.path() + "/run", {.last = 2, .best = 1});
    CHECK(kept.last() == nullptr);
    CHECK(kept.best() == nullptr);
    add(kept, 100, std::nullopt);
    CHECK(contents(kept.last_path()) == "100");
    CHECK(!std::filesystem::exists(kept.best_path()));
    add(kept, 200, 1.5);
    add(kept, 300, 1.25);
    add(kept, 400, 1.75);
    add(kept, 500, std::nullopt);
    add(kept, 600, std::numeric_limits<double>::quiet_NaN());
    CHECK(steps_of(kept) == "300 500 600");
    CHECK(contents(kept.last_path()) == "600");
    CHECK(contents(kept.best_path()) == "300");
    CHECK(kept.best()->path == folder.path() + "/run-step000000300-loss1.2500.safetensors");
    CHECK(files_in(folder.path()) == 5);

    SUBCASE("another process finds them again") {
        write_atomically(folder.path() + "/run-step7.safetensors", "another's");
        write_atomically(folder.path() + "/runner-step000000700.safetensors", "another's");
        Checkpoints again(folder.path() + "/run", {.last = 1, .best = 2});
        CHECK(steps_of(again) == "300 500 600");
        add(again, 700, 1.5);
        add(again, 800, 1.5);
        CHECK(steps_of(again) == "300 700 800");
        CHECK(again.best()->step == 300);
        CHECK(files_in(folder.path()) == 7);
    }
    SUBCASE("a run that went back replaces what it repeats") {
        add(kept, 500, 1.0);
        CHECK(steps_of(kept) == "300 500");
        CHECK(contents(kept.last_path()) == "500");
        CHECK(contents(kept.best_path()) == "500");
        CHECK(files_in(folder.path()) == 4);
    }
    SUBCASE("a run that went back keeps the best, and its last one is the last") {
        add(kept, 250, 2.0);
        CHECK(steps_of(kept) == "300 250");
        CHECK(contents(kept.last_path()) == "250");
        CHECK(contents(kept.best_path()) == "300");
        Checkpoints again(folder.path() + "/run", {.last = 2, .best = 1});
        CHECK(steps_of(again) == "300 250");
        CHECK(again.last()->step == 250);
        add(again, 300, 1.5);
        CHECK(steps_of(again) == "300 250 300");
        CHECK(again.best()->path == folder.path() + "/run-step000000300-loss1.2500.safetensors");
        add(again, 350, 1.0);
        CHECK(steps_of(again) == "300 350");
        CHECK(files_in(folder.path()) == 4);
    }
    SUBCASE("a save that fails changes nothing") {
        CHECK_THROWS_AS(
            kept.add(700, 0.5, [](const std::string& path) { throw io_error(path + ": no space"); }),
            io_error);
        CHECK(steps_of(kept) == "300 500 600");
        CHECK(contents(kept.last_path()) == "600");
        CHECK(contents(kept.best_path()) == "300");
    }
}

TEST_CASE("where there are no links, the last and the best are copies") {
    struct NoLinks final : FileSystem {
        int symlink(const char*, const char*) override {
            errno = EPERM;
            return -1;
        }
    };
    const test::TemporaryFolder folder;
    NoLinks files;
    Checkpoints kept(folder.path("run"), {.last = 1, .best = 1}, files);
    add(kept, 100, 1.5);
    add(kept, 200, 1.75);
    add(kept, 300, 2.0);
    CHECK(steps_of(kept) == "100 300");
    CHECK(contents(kept.last_path()) == "300");
    CHECK(contents(kept.best_path()) == "100");
    CHECK(!std::filesystem::is_symlink(kept.best_path()));
    CHECK(files_in(folder.path()) == 4);
    CHECK(Checkpoints(folder.path("run")).best()->step == 100);
}

TEST_CASE("the best of two whose names have the same loss is still the best in another process") {
    const test::TemporaryFolder folder;
    const auto write = [](const std::string& path) { std::ofstream(path) << "x"; };
    {
        Checkpoints kept(folder.path("run"), {.last = 3, .best = 1});
        kept.add(10, 1.23464, write);
        kept.add(20, 1.23456, write);
        CHECK(kept.best()->step == 20);
    }
    Checkpoints kept(folder.path("run"), {.last = 1, .best = 1});
    CHECK(kept.best()->step == 20);
    kept.add(30, 2.0, write);
    CHECK(steps_of(kept) == "20 30");
}

TEST_CASE("a saver keeps what a loss was measured of, the end of a cycle, and a run that went back") {
    const test::TemporaryFolder folder;
    const test::Setting s{
        .text = test::words(400), .shape = {.lanes = 4, .window = 5}, .hidden = 3, .layers = 1};
    Model<> model = s.model();
    Trainer trainer(model, SGD(0.1), s.batches(), {.threads = 1, .schedule = cosine_restarts(steps(7))});
    Checkpoints kept(folder.path() + "/run", {.last = 9, .best = 1});
    Saver saver(folder.path() + "/run.safetensors", trainer, s.alphabet, {.steps = 10, .seconds = 0});
    saver.kept = &kept;
    trainer.every_step([&](const Progress& p) {
        if (p.step == 4 || p.step == 12) saver.validation(p.step == 4 ? 1.5 : 2.5);
    });
    trainer.after_step([&](const Progress&) { saver.save_if_due(); });
    trainer.run(steps(5));
    const auto state = trainer.state();
    trainer.run(steps(11));
    CHECK(steps_of(kept) ==
          "4 7 12 14");  // a loss; a cycle; a loss; a cycle. Ten steps never pass between them.
    CHECK(kept.best()->step == 4);
    CHECK(kept.best()->loss == 1.5);
    CHECK(saver.extra.best_step == 4);
    CHECK(TensorFile::read(folder.path() + "/run.safetensors").metadata().at("train.step") == "14");
    CHECK(TensorFile::read(kept.last_path()).metadata().at("train.step") == "14");
    // Going back, to the steps that were saved before, with a lower learning rate.
    trainer.restore(state);
    trainer.set_lr(0.05);
    CHECK(saver.save());
    CHECK(steps_of(kept) == "4 5");
    trainer.run(steps(2));
    CHECK(steps_of(kept) == "4 5 7");
    CHECK(load_model(kept.last_path()).model.size() == 2);
}

TEST_CASE("a saver saves at the ends of another schedule's cycles, and whatever it is asked to") {
    const test::TemporaryFolder folder;
    const std::string path = folder.path() + "/run.safetensors";
    const test::Setting s{
        .text = test::words(400), .shape = {.lanes = 4, .window = 5}, .hidden = 3, .layers = 1};
    Model<> model = s.model();
    Trainer trainer(model, SGD(0.1), s.batches(), {.threads = 1, .schedule = cosine_restarts(steps(5))});
    Saver saver(path, trainer, s.alphabet, {.steps = 0, .seconds = 0});
    std::string saved_at;
    trainer.after_step([&](const Progress& p) {
        saver.save_if_due();
        if (std::filesystem::exists(path) &&
            TensorFile::read(path).metadata().at("train.step") == std::to_string(p.step))
            saved_at += std::to_string(p.step) + " ";
    });
    trainer.run(steps(10));
    trainer.set_schedule(cosine_restarts(steps(4)));
    trainer.run(steps(8));
    CHECK(saved_at == "5 10 14 18 ");

    // What is not in the run's state, at a step that is saved already.
    CHECK(saver.validation(1.25));
    CHECK(!saver.validation(std::nan("")));
    CHECK(!saver.validation(-std::numeric_limits<double>::infinity()));
    saver.extra.notes["colour"] = "red";
    CsvLog log(folder.path() + "/log.csv");
    saver.log = &log;
    CHECK(saver.save());
    RunExtra extra = read_run_extra(TensorFile::read(path));
    CHECK(extra.best_loss == 1.25);
    CHECK(extra.notes.at("colour") == "red");
    CHECK(extra.log.has_value());
    // A log that is no longer written has no place in the run.
    saver.log = nullptr;
    CHECK(saver.save());
    CHECK(!read_run_extra(TensorFile::read(path)).log.has_value());
}

TEST_CASE("a log is cut back to a step") {
    const test::TemporaryFolder folder;
    const std::string path = folder.path() + "/log.csv";
    CsvLog log(path);
    for (const std::uint64_t step : {0U, 9U, 10U, 11U}) log.step({.step = step});
    log.rewind(9);
    log.step({.step = 10, .loss = 7});
    log.finish();
    std::ifstream in(path);
    std::string row, rows;
    while (std::getline(in, row)) rows += row.substr(0, row.find(',')) + " ";
    CHECK(rows == "step 0 9 10 ");
}

TEST_CASE("a prefix without a name, a folder that is not there") {
    CHECK_THROWS_AS(Checkpoints("/tmp/"), value_error);
    CHECK_THROWS_AS(Checkpoints("/nowhere/run"), io_error);
    CHECK_THROWS_AS(Checkpoints("run", {.last = 0}), value_error);
}

}  // namespace checkpoints_test
