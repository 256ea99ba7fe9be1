#include <doctest/doctest.h>

#include <charrnn/charrnn.hpp>
#include <clocale>
#include <cstdint>
#include <cstdio>
#include <limits>
#include <locale>
#include <string>
#include <vector>

#include "io/tampered.hpp"
#include "temporary_folder.hpp"
#include "train/setting.hpp"

/// What is written must not depend on the locale of the program, nor what is read: a program with windows has its user's.

namespace locale_test {

using namespace charrnn;
using test::contents, test::Setting;

namespace {

/// As long as it lives, numbers have a comma for a point, and points between their thousands, as in German: those of streams,
/// and those of printf where the system has such a locale.
class InGerman {
  public:
    InGerman()
        : before_(std::locale::global(std::locale(std::locale::classic(), new Punctuation))),
          c_before_(std::setlocale(LC_ALL, nullptr)) {
        if (std::setlocale(LC_ALL, "de_DE.UTF-8") == nullptr)
            MESSAGE("half skipped: there is no locale de_DE.UTF-8 here for printf and strtod");
        else
            CHECK(std::to_string(0.5) == "0,500000");
    }
    ~InGerman() {
        std::setlocale(LC_ALL, c_before_.c_str());
        std::locale::global(before_);
    }
    InGerman(const InGerman&) = delete;
    InGerman& operator=(const InGerman&) = delete;

  private:
    struct Punctuation : std::numpunct<char> {
        [[nodiscard]] char do_decimal_point() const override { return ','; }
        [[nodiscard]] char do_thousands_sep() const override { return '.'; }
        [[nodiscard]] std::string do_grouping() const override { return "\3"; }
    };
    std::locale before_;
    std::string c_before_;
};

/// f() in the locale of every C++ program, and in German: the same.
template <class F>
void check_same(const F& f) {
    const auto plain = f();
    const InGerman german;
    CHECK(f() == plain);
}

}  // namespace

TEST_CASE("numbers as text are the same in every locale, and those of printf in C") {
    using namespace charrnn::detail;
    const double infinity = std::numeric_limits<double>::infinity();
    struct Printed {
        double x;
        std::string with_17, with_9, fixed;
    };
    std::vector<Printed> numbers;
    for (const double x : {0.0, 0.9, -2.5, 1.0 / 3, 1234567.0, 1e-5, -1e-300, 5e-324,
                           std::numeric_limits<double>::max(), infinity}) {
        const auto print = [x](const char* format) {
            char text[400];
            std::snprintf(text, sizeof text, format, x);
            return std::string(text);
        };
        numbers.push_back({x, print("%.17g"), print("%.9g"), print("%.4f")});
    }
    const InGerman german;
    for (const auto& n : numbers) {
        CHECK(exact(n.x) == n.with_17);
        CHECK(significant(n.x, 9) == n.with_9);
        CHECK(decimal(n.x, 4) == n.fixed);
        CHECK(*parsed_number(exact(n.x)) == n.x);
        CHECK(*parsed_number(shortest(n.x)) == n.x);
    }
    CHECK(shortest(0.97) == "0.97");
    CHECK(significant(std::numeric_limits<double>::quiet_NaN(), 9) == "nan");
    CHECK(*parsed_number("0.25") == 0.25);
    CHECK(*parsed_number("1e-3") == 0.001);
    for (const char* none : {"", "0,25", " 1", "1 ", "1.5x", "1e999", "+1"}) {
        CAPTURE(none);
        CHECK(!parsed_number(none));
    }
    CHECK(*parsed_count("18446744073709551615") == std::numeric_limits<std::uint64_t>::max());
    for (const char* none : {"", "-1", "1.0", "1,000", "18446744073709551616"}) {
        CAPTURE(none);
        CHECK(!parsed_count(none));
    }
}

TEST_CASE("a run that was saved in one locale goes on in another") {
    const Setting s;
    Random random(1);
    Model<float> model =
        char_rnn("rnn", s.alphabet.size(), 8, 1, random, {.embedding = 1000, .dropout = 0.25});
    Trainer trainer(model, Adam(0.0015), s.batches(),
                    {.clip = 0.75, .schedule = step_decay(0.5, epochs(1.5))});
    trainer.run(steps(2));

    check_same([&] { return printed(model); });
    check_same([&] { return trainer.source_fingerprint(); });
    check_same([&] { return run_bytes(trainer, s.alphabet, {.best_loss = 1.25, .best_step = 1}); });

    const test::TemporaryFolder folder;
    const auto resumes = [&](const std::string& path) {
        const Resumed resumed = resume(path, trainer);
        CHECK(resumed.differences.empty());
        CHECK(resumed.extra.best_loss == 1.25);
        CHECK(trainer.state().lr == 0.0015);
        CHECK(printed(load_model(path).model) == printed(model));
    };
    const auto save_there = [&](const std::string& path) {
        save_run(path, trainer, s.alphabet, {.best_loss = 1.25});
    };
    Checkpoints before(folder.path("run"));
    before.add(2, 1.25, save_there);
    {
        const InGerman german;
        Checkpoints found(folder.path("run"));
        REQUIRE(found.entries().size() == 1);
        CHECK(found.last()->loss == 1.25);
        resumes(found.last_path());
        found.add(3, 1.125, save_there);
    }
    const Checkpoints after(folder.path("run"));
    REQUIRE(after.entries().size() == 2);
    CHECK(after.best()->loss == 1.125);
    resumes(after.best_path());
}

TEST_CASE("a log has the same numbers in every locale") {
    const test::TemporaryFolder folder;
    check_same([&] {
        const std::string path = folder.path("log.csv");
        CsvLog log(path);
        Progress p;
        p.step = 1234, p.characters = 5678901, p.seconds = 1234.5, p.loss = 1.75, p.learning_rate = 0.0015;
        log.step(p);
        log.validation(1.625);
        log.finish();
        return contents(path);
    });
}

}  // namespace locale_test
