#include <doctest/doctest.h>

#include <charrnn/train/csv_log.hpp>
#include <cstdio>
#include <filesystem>
#include <fstream>
#include <sstream>

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

}  // namespace csv_log_test
