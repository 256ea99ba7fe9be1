#include <charrnn/core/machine.hpp>
#include <charrnn/core/threads.hpp>

#include <doctest/doctest.h>

#include <atomic>
#include <stdexcept>
#include <thread>
#include <vector>

#include <sched.h>

namespace threads_test {

using namespace charrnn;

TEST_CASE("threads: every share runs once, each on its own thread [threads]") {
    for (const std::size_t size : {1U, 2U, 3U, 5U}) {
        Team team(size);
        CHECK(team.size() == size);
        std::vector<int> runs(size, 0);
        std::vector<std::thread::id> ids(size);
        team.run([&](std::size_t i) { ++runs[i], ids[i] = std::this_thread::get_id(); });
        CHECK(runs == std::vector<int>(size, 1));
        CHECK(ids[0] == std::this_thread::get_id());
        for (std::size_t i = 1; i < size; ++i) CHECK(ids[i] != ids[i - 1]);
    }
}

TEST_CASE("threads: what one run writes, the next may read from another thread [threads]") {
    Team team(3);
    std::vector<std::size_t> numbers(3, 0), next(3, 0);
    for (int round = 0; round < 300; ++round) {
        team.run([&](std::size_t i) { next[i] = numbers[(i + 1) % 3] + 1; });
        team.run([&](std::size_t i) { numbers[i] = next[i]; });
    }
    CHECK(numbers == std::vector<std::size_t>{300, 300, 300});
}

TEST_CASE("threads: an exception of any share comes out of run, and the team goes on [threads]") {
    Team team(3);
    for (std::size_t bad = 0; bad < 3; ++bad) {
        std::atomic<int> done = 0;
        CHECK_THROWS_WITH_AS(team.run([&](std::size_t i) {
            if (i == bad) throw std::runtime_error("share " + std::to_string(i));
            ++done;
        }),
                             ("share " + std::to_string(bad)).c_str(), std::runtime_error);
        CHECK(done == 2);
    }
    std::atomic<int> done = 0;
    team.run([&](std::size_t) { ++done; });
    CHECK(done == 3);
}

TEST_CASE(
    "threads: when all shares throw, the first one's exception comes out, and none is left over [threads]") {
    Team team(3);
    CHECK_THROWS_WITH_AS(
        team.run([](std::size_t i) { throw std::runtime_error("share " + std::to_string(i)); }), "share 0",
        std::runtime_error);
    CHECK_NOTHROW(team.run([](std::size_t) {}));
}

TEST_CASE(
    "threads: a job's steps run in order, each after all threads are done with the one before [threads]") {
    for (const std::size_t size : {1U, 2U, 3U}) {
        Team team(size);
        for (const std::size_t steps : {0U, 1U, 2U, 50U}) {
            std::vector<std::size_t> done(size, 0);
            std::vector<int> late(size, 0);
            team.run_steps(steps, [&](std::size_t step, std::size_t i) {
                if (done[i] != step) ++late[i];
                ++done[i];
            });
            CHECK(done == std::vector<std::size_t>(size, steps));
            CHECK(late == std::vector<int>(size, 0));
            // What one thread writes in a step, its neighbour reads in the next.
            std::vector<std::size_t> written(size * (steps + 1), 0);
            team.run_steps(steps, [&](std::size_t step, std::size_t i) {
                written[(step + 1) * size + i] = written[step * size + (i + 1) % size] + 1;
            });
            for (std::size_t i = 0; i < size; ++i) CHECK(written[steps * size + i] == steps);
        }
        std::vector<std::size_t> begun(size, 0);
        CHECK_THROWS_WITH_AS(team.run_steps(5,
                                            [&](std::size_t step, std::size_t i) {
                                                ++begun[i];
                                                if (step == 2 && i == size - 1)
                                                    throw std::runtime_error("step 2");
                                            }),
                             "step 2", std::runtime_error);
        CHECK(begun == std::vector<std::size_t>(size, 3));
    }
}

TEST_CASE("threads: a team of one is the caller") {
    Team team(1);
    CHECK_THROWS_AS(team.run([](std::size_t) { throw std::runtime_error("alone"); }), std::runtime_error);
    CHECK_NOTHROW(team.run([](std::size_t) {}));
}

TEST_CASE("threads: none is an error") {
    CHECK_THROWS_WITH_AS(Team(0), "threads is 0: expected at least 1", value_error);
    CHECK(hardware_threads() >= 1);
}

TEST_CASE("threads: a program that may use one processor is given one") {
    cpu_set_t before, one;
    REQUIRE(::sched_getaffinity(0, sizeof before, &before) == 0);
    CHECK(hardware_threads() == static_cast<std::size_t>(CPU_COUNT(&before)));
    CPU_ZERO(&one);
    for (std::size_t i = 0; i < CPU_SETSIZE && CPU_COUNT(&one) == 0; ++i)
        if (CPU_ISSET(i, &before)) CPU_SET(i, &one);
    REQUIRE(::sched_setaffinity(0, sizeof one, &one) == 0);
    CHECK(hardware_threads() == 1);
    REQUIRE(::sched_setaffinity(0, sizeof before, &before) == 0);
}

}  // namespace threads_test
