#pragma once

#include <cerrno>
#include <cstdio>
#include <cstring>
#include <memory>
#include <string>
#include <utility>

#include <charrnn/core/error.hpp>
#include <charrnn/train/progress.hpp>

namespace charrnn {

/// A training log: a CSV file with the header `step,epoch,chars,seconds,train_loss,probe_loss,val_loss,lr` and a row a
/// step. Losses are in nats a character and blank where not measured, `chars` counts valid targets, `seconds` those
/// spent in training steps, `epoch` is that of the step, from 1. Row 0 is the state before the first step.
///
/// A row is written when the next one begins, so that what is measured after a step can join its row.
/// Errors: io_error, naming the file and the reason, where it cannot be written
class CsvLog {
  public:
    explicit CsvLog(std::string path) : path_(std::move(path)), file_(std::fopen(path_.c_str(), "w")) {
        if (!file_) fail();
        write("step,epoch,chars,seconds,train_loss,probe_loss,val_loss,lr\n");
        row_.learning_rate = 0;
    }
    ~CsvLog() {
        try {
            finish();
        } catch (const error&) {  // NOLINT(bugprone-empty-catch): a destructor cannot say it; call finish
        }
    }
    CsvLog(const CsvLog&) = delete;
    CsvLog& operator=(const CsvLog&) = delete;

    /// Begin the row of a step.
    void step(const Progress& p) {
        finish();
        row_ = p;
        open_ = true;
    }
    /// What was measured after that step.
    void probe(double loss) { probe_ = loss; }
    /// The loss on held-out text, measured after that step.
    void validation(double loss) { validation_ = loss; }

    /// Write what is there.
    void finish() {
        if (!open_) return;
        open_ = false;
        const auto epoch = row_.step == 0 ? 0 : row_.window == 0 ? row_.epoch : row_.epoch + 1;
        char line[256];
        std::snprintf(line, sizeof line, "%llu,%llu,%llu,%.3f,%s,%s,%s,%.9g\n",
                      static_cast<unsigned long long>(row_.step), static_cast<unsigned long long>(epoch),
                      static_cast<unsigned long long>(row_.characters), row_.seconds,
                      row_.step == 0 ? "" : number(row_.loss).c_str(), number(probe_).c_str(),
                      number(validation_).c_str(), row_.learning_rate);
        probe_ = validation_ = nothing;
        write(line);
    }

  private:
    static constexpr double nothing = -1;

    static std::string number(double loss) {
        if (loss == nothing) return {};
        char text[32];
        std::snprintf(text, sizeof text, "%.9g", loss);
        return text;
    }
    void write(const char* text) {
        errno = 0;
        if (std::fputs(text, file_.get()) < 0 || std::fflush(file_.get()) != 0) fail();
    }
    [[noreturn]] void fail() const {
        throw io_error("log " + path_ + ": cannot be written: " + std::strerror(errno));
    }

    struct Close {
        void operator()(std::FILE* f) const { std::fclose(f); }
    };

    std::string path_;
    std::unique_ptr<std::FILE, Close> file_;
    Progress row_;
    bool open_ = false;
    double probe_ = nothing, validation_ = nothing;
};

}  // namespace charrnn
