#include <doctest/doctest.h>

#include <charrnn/train/csv_log.hpp>
#include <csignal>
#include <cstdio>
#include <filesystem>
#include <fstream>
#include <sstream>
#include <string>

#include <sys/resource.h>

#include "temporary_folder.hpp"

namespace csv_log_test {

using namespace charrnn;

TEST_CASE("the log has a row a step, blank where nothing was measured") {
    const auto path = std::filesystem::temp_directory_path() / "charrnn_log_test.csv";
    {
        CsvLog log(path.string());
        Progress p;
        p.learning_rate = 0.002;
        log.step(p);
        log.probe(4.5);
        p.step = 1, p.window = 1, p.characters = 2500, p.seconds = 0.25, p.loss = 4.25;
        log.step(p);
        p.step = 2, p.window = 0, p.epoch = 1, p.characters = 5000, p.seconds = 0.5, p.loss = 4.125;
        log.step(p);
        log.probe(4);
        log.validation(3.5);
    }
    std::ifstream in(path);
    std::stringstream all;
    all << in.rdbuf();
    CHECK(all.str() ==
          "step,epoch,chars,seconds,train_loss,probe_loss,val_loss,lr\n"
          "0,0,0,0.000,,4.5,,0.002\n"
          "1,1,2500,0.250,4.25,,,0.002\n"
          "2,1,5000,0.500,4.125,4,3.5,0.002\n");
    std::filesystem::remove(path);
}

TEST_CASE("a log that cannot be written says so, and why") {
    try {
        const CsvLog log("/nonexistent/folder/log.csv");
        FAIL("expected io_error");
    } catch (const io_error& e) {
        CHECK(std::string(e.what()) ==
              "log /nonexistent/folder/log.csv: cannot be written: No such file or directory");
    }
    if (!std::filesystem::exists("/dev/full")) {
        MESSAGE("skipped: there is no /dev/full here");
        return;
    }
    try {
        const CsvLog log("/dev/full");
        FAIL("expected io_error");
    } catch (const io_error& e) {
        CHECK(std::string(e.what()).find("No space left on device") != std::string::npos);
    }
}

TEST_CASE("a row that could not be written leaves nothing behind, and the log goes on") {
    const test::TemporaryFolder folder;
    const std::string path = folder.path("log.csv");
    struct ::rlimit before {};
    REQUIRE(::getrlimit(RLIMIT_FSIZE, &before) == 0);
    const auto handler = std::signal(SIGXFSZ, SIG_IGN);
    {
        CsvLog log(path);
        log.step({.step = 1});
        log.finish();
        const auto length = std::filesystem::file_size(path);
        struct ::rlimit small = before;
        small.rlim_cur = length + 5;
        REQUIRE(::setrlimit(RLIMIT_FSIZE, &small) == 0);
        log.step({.step = 2});
        CHECK_THROWS_AS(log.finish(), io_error);
        REQUIRE(::setrlimit(RLIMIT_FSIZE, &before) == 0);
        CHECK(std::filesystem::file_size(path) == length);
        CHECK(log.mark().bytes == length);
        log.step({.step = 3});
    }
    std::signal(SIGXFSZ, handler);
    std::ifstream in(path);
    std::string row, rows;
    while (std::getline(in, row)) rows += row.substr(0, row.find(',')) + " ";
    CHECK(rows == "step 1 3 ");
}

TEST_CASE("a file that is no log is not cut to a mark") {
    const test::TemporaryFolder folder;
    const std::string text(5000, 'x'), path = folder.write("mine.txt", text);
    CHECK_THROWS_WITH_AS(CsvLog(path, LogMark{216, ""}), doctest::Contains("is not the log"), io_error);
    CHECK(test::contents(path) == text);
}

TEST_CASE("what is measured after the mark's step joins its row") {
    const test::TemporaryFolder folder;
    const std::string path = folder.path("log.csv");
    LogMark mark;
    {
        CsvLog log(path);
        log.step({.step = 1, .epoch = 1, .loss = 2});
        log.probe(1.5);
        mark = log.mark();
    }
    {
        CsvLog log(path, mark);
        log.validation(1.25);
        CHECK(log.mark().row == "1,1,0,0.000,2,1.5,1.25,0\n");
        log.step({.step = 2, .epoch = 2, .loss = 1});
    }
    CHECK(test::contents(path) ==
          "step,epoch,chars,seconds,train_loss,probe_loss,val_loss,lr\n"
          "1,1,0,0.000,2,1.5,1.25,0\n2,2,0,0.000,1,,,0\n");
    mark.row = "1,2\n";
    const std::string before = test::contents(path);
    CHECK_THROWS_WITH_AS(CsvLog(path, mark),
                         doctest::Contains("has a row of 2 fields, expected the 8 of a log's"), io_error);
    CHECK(test::contents(path) == before);
}

}  // namespace csv_log_test
