#include <charrnn/optim/schedule.hpp>
#include <sstream>

#include <doctest/doctest.h>

#include <cmath>
#include <vector>

namespace schedule_test {

using namespace charrnn;

namespace {

constexpr double pi = 3.14159265358979323846;
constexpr std::size_t epoch = 10;  // steps

}  // namespace

TEST_CASE("schedule: constant, steps, lines and cosines") {
    CHECK(Schedule()(123, epoch) == 1);
    CHECK(constant(0.25)(123, epoch) == 0.25);
    const Schedule decay = step_decay(0.5, epochs(2));
    CHECK(decay(0, epoch) == 1);
    CHECK(decay(19, epoch) == 1);
    CHECK(decay(20, epoch) == 0.5);
    CHECK(decay(40, epoch) == 0.25);
    CHECK(step_decay(0.5, steps(3))(7, epoch) == 0.25);
    const Schedule line = linear(steps(4), 1, 3);
    CHECK(line(0, epoch) == 1);
    CHECK(line(1, epoch) == 1.5);
    CHECK(line(9, epoch) == 3);
    const Schedule up = warm_up(steps(4));
    CHECK(up(0, epoch) == 0.25);
    CHECK(up(3, epoch) == 1);
    CHECK(up(100, epoch) == 1);
    const Schedule half = cosine(epochs(2), 0.1);
    CHECK(half(0, epoch) == 1);
    CHECK(half(5, epoch) == doctest::Approx(0.1 + 0.45 * (1 + std::cos(pi * 5 / 20))).epsilon(1e-12));
    CHECK(half(20, epoch) == 0.1);
    CHECK(half(1000, epoch) == 0.1);
}

TEST_CASE("schedule: cosine with restarts, each longer by a factor, and its cycles") {
    const Schedule s = cosine_restarts(epochs(1), 2);
    // Cycles of 10, 20, 40 steps: they begin at 0, 10, 30, 70.
    for (const std::uint64_t begin : {0U, 10U, 30U, 70U}) CHECK(s(begin, epoch) == 1);
    CHECK(s(9, epoch) == doctest::Approx(0.5 * (1 + std::cos(pi * 0.9))).epsilon(1e-12));
    CHECK(s(20, epoch) == doctest::Approx(0.5).epsilon(1e-12));
    CHECK(s(29, epoch) == doctest::Approx(0.5 * (1 + std::cos(pi * 19 / 20))).epsilon(1e-12));
    CHECK(s.cycles(9, epoch) == 0);
    CHECK(s.cycles(10, epoch) == 1);
    CHECK(s.cycles(29, epoch) == 1);
    CHECK(s.cycles(30, epoch) == 2);
    CHECK(s.cycles(150, epoch) == 4);  // 15 epochs are four whole cycles
    const Schedule equal = cosine_restarts(steps(7), 1, 0.5);
    CHECK(equal(700'000'000, epoch) == 1);
    CHECK(equal.cycles(700'000'000, epoch) == 100'000'000);
    CHECK(equal(6, epoch) > 0.5);
}

TEST_CASE("schedule: products, sums, and one after the other") {
    const Schedule s = warm_up(steps(4)) * cosine(steps(10));
    CHECK(s(1, epoch) == 0.5 * cosine(steps(10))(1, epoch));
    CHECK((constant(0.25) + constant(0.5))(3, epoch) == 0.75);
    CHECK((0.5 * constant(0.5))(3, epoch) == 0.25);
    const Schedule two = constant(1).then(epochs(2), constant(0.1).then(steps(3), cosine(steps(4))));
    CHECK(two(19, epoch) == 1);
    CHECK(two(20, epoch) == 0.1);
    CHECK(two(22, epoch) == 0.1);
    CHECK(two(23, epoch) == 1);
    CHECK(two(25, epoch) == doctest::Approx(0.5).epsilon(1e-12));
    CHECK(two.cycles(19, epoch) == 0);
    CHECK(two.cycles(26, epoch) == 0);
    CHECK(two.cycles(27, epoch) == 1);
    CHECK(cosine(steps(5)).then(steps(5), cosine(steps(5))).cycles(9, epoch) == 1);
    // fastai's first twentieth of a cycle at a hundredth of the rate.
    const Schedule fastai = constant(0.01).then(epochs(0.05), constant(1)) * cosine_restarts(epochs(1), 2);
    CHECK(fastai(0, 100) == doctest::Approx(0.01));
    CHECK(fastai(5, 100) > 0.9);
}

TEST_CASE("schedule: settings that mean nothing are errors") {
    CHECK_THROWS_AS(cosine(steps(0)), value_error);
    CHECK_THROWS_AS(cosine(epochs(-1)), value_error);
    CHECK_THROWS_AS(warm_up(Budget{.steps = {}, .epochs = {}, .seconds = 5}), value_error);
    CHECK_THROWS_AS(cosine_restarts(steps(5), 0.5), value_error);
    CHECK_THROWS_WITH_AS((void)constant(-1)(4, epoch),
                         "schedule: the factor of step 4 is -1.000000, expected 0 or more", value_error);
}

TEST_CASE("schedules print as what makes them") {
    const auto text = [](const Schedule& s) {
        std::ostringstream out;
        out << s;
        return out.str();
    };
    CHECK(text({}) == text(constant(1)));
    CHECK(text(warm_up(steps(200)) * cosine(epochs(4))) == "warm_up(200 steps) * cosine(4 epochs, 0)");
    CHECK(text(0.5 * (constant(0.1) + linear(epochs(0.5), 1, 0.97))) ==
          "constant(0.5) * (constant(0.1) + linear(0.5 epochs, 1, 0.97))");
    CHECK(text(step_decay(0.5, epochs(1)).then(steps(9), cosine_restarts(steps(3), 2, 0.1))) ==
          "step_decay(0.5, 1 epochs) then, after 9 steps, cosine_restarts(3 steps, 2, 0.1)");
    const auto own = [](double, double) { return 1.0; };
    CHECK(text(Schedule(own)) == "one of the program's");
    CHECK(text(Schedule(own, {}, "mine")) == "mine");
}

}  // namespace schedule_test
