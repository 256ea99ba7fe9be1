#include <doctest/doctest.h>

#include <charrnn/train/checkpoints.hpp>
#include <filesystem>
#include <fstream>
#include <limits>
#include <string>

#include "temporary_folder.hpp"

namespace checkpoints_test {

using namespace charrnn;

namespace {

std::string contents(const std::string& path) {
    std::ifstream in(path, std::ios::binary);
    std::string s;
    std::getline(in, s);
    return s;
}

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
    SUBCASE("a save that fails changes nothing") {
        CHECK_THROWS_AS(
            kept.add(700, 0.5, [](const std::string& path) { throw io_error(path + ": no space"); }),
            io_error);
        CHECK(steps_of(kept) == "300 500 600");
        CHECK(contents(kept.last_path()) == "600");
        CHECK(contents(kept.best_path()) == "300");
    }
}

TEST_CASE("a prefix without a name, a folder that is not there") {
    CHECK_THROWS_AS(Checkpoints("/tmp/"), value_error);
    CHECK_THROWS_AS(Checkpoints("/nowhere/run"), io_error);
    CHECK_THROWS_AS(Checkpoints("run", {.last = 0}), value_error);
}

}  // namespace checkpoints_test
