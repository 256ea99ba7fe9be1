#pragma once

#include <cstdint>
#include <cstdio>
#include <memory>
#include <string>
#include <utility>
#include <vector>

#include <charrnn/core/error.hpp>
#include <charrnn/core/format.hpp>
#include <charrnn/core/once.hpp>
#include <charrnn/train/progress.hpp>

namespace charrnn {

/// Where a log stands: so many bytes of it are written, and the row of the last step is still open.
struct LogMark {
    std::uint64_t bytes = 0;  ///< the length of the file
    std::string row;          ///< the row that is not written yet
};

/// A training log: a CSV file with the header `step,epoch,chars,seconds,train_loss,probe_loss,val_loss,lr` and a row a
/// step. Losses are in nats a character and blank where not measured, `chars` counts valid targets, `seconds` those
/// spent in training steps, `epoch` is that of the step, from 1. Row 0 is the state before the first step.
///
/// A row is written when the next one begins, so that what is measured after a step can join its row.
/// Errors: io_error, naming the file and the reason, where it cannot be written
class CsvLog {
  public:
    explicit CsvLog(std::string path);
    /// Go on with a log where a mark says: what was written after it is cut off. A file that is not there begins
    /// anew. Errors: io_error too where the file is shorter than the mark says, or no log; it is as it was then
    CsvLog(std::string path, const LogMark& mark);
    ~CsvLog();
    CsvLog(const CsvLog&) = delete;
    CsvLog& operator=(const CsvLog&) = delete;

    /// Begin the row of a step.
    void step(const Progress& p);
    /// What was measured after that step, or after the last one before the mark.
    void probe(double loss) { row_.probe = detail::significant(loss, 9); }
    /// The loss on held-out text, measured then.
    void validation(double loss) { row_.validation = detail::significant(loss, 9); }

    /// Write what is there.
    void finish();

    /// Where it stands now, for a checkpoint; what is written so far is made to last, so that the mark cannot be
    /// beyond the end after a power failure.
    [[nodiscard]] LogMark mark() const;
    /// Take back the rows of all steps after this one.
    void rewind(std::uint64_t step);
    /// Go back to a mark.
    void rewind(const LogMark& mark);

  private:
    static constexpr const char* header = "step,epoch,chars,seconds,train_loss,probe_loss,val_loss,lr\n";

    void open(const char* mode);
    /// That what is in the file up to a mark is a log's. Errors: io_error
    void check_begins_here(const LogMark& mark) const;
    /// The row of the last step as far as it is known.
    struct Row {
        std::string before, probe, validation, after;

        [[nodiscard]] bool open() const { return !before.empty(); }
        [[nodiscard]] std::string text() const {
            return open() ? before + probe + ',' + validation + after : "";
        }
    };
    static Row row_of(const Progress& p);
    /// The row that a mark has. Errors: io_error
    [[nodiscard]] Row row_of(const std::string& text) const;

    void write(const char* text);
    [[noreturn]] void fail() const;

    struct Close {
        void operator()(std::FILE* f) const { std::fclose(f); }
    };

    std::string path_;
    std::unique_ptr<std::FILE, Close> file_;
    std::uint64_t bytes_ = 0;
    Row row_;
};

}  // namespace charrnn

#ifdef CHARRNN_ONCE
#include <sys/stat.h>
#include <unistd.h>

#include <cerrno>
#include <cstdlib>
#include <cstring>
#include <filesystem>
#include <fstream>

namespace charrnn {

CHARRNN_ONCE void CsvLog::open(const char* mode) {
    file_.reset(std::fopen(path_.c_str(), mode));
    // A row that could not be written must not wait for the next.
    if (file_) std::setvbuf(file_.get(), nullptr, _IONBF, 0);
}

CHARRNN_ONCE CsvLog::CsvLog(std::string path) : path_(std::move(path)) {
    open("w");
    if (!file_) fail();
    write(header);
}

CHARRNN_ONCE CsvLog::CsvLog(std::string path, const LogMark& mark) : path_(std::move(path)) {
    open("r+");
    if (!file_ && errno == ENOENT) {
        open("w");
        if (!file_) fail();
        write(header);
    } else {
        if (file_) check_begins_here(mark);
        rewind(mark);
    }
    row_ = row_of(mark.row);
}

CHARRNN_ONCE void CsvLog::check_begins_here(const LogMark& mark) const {
    if (!std::filesystem::is_regular_file(path_)) return;
    std::ifstream file(path_, std::ios::binary);
    std::string start(std::strlen(header), ' ');
    char last = ' ';
    file.read(start.data(), static_cast<std::streamsize>(start.size()));
    file.seekg(static_cast<std::streamoff>(mark.bytes) - 1);
    file.get(last);
    // A file that is too short is refused next, for that.
    if (file && (start != header || last != '\n'))
        throw io_error("log " + path_ + ": is not the log that the run to be resumed has written, expected " +
                       std::to_string(mark.bytes) +
                       " bytes of rows that begin with step,epoch,chars,seconds");
}

CHARRNN_ONCE CsvLog::~CsvLog() {
    try {
        finish();
    } catch (const error&) {  // NOLINT(bugprone-empty-catch): a destructor cannot say it; call finish
    }
}

CHARRNN_ONCE void CsvLog::step(const Progress& p) {
    finish();
    row_ = row_of(p);
}

CHARRNN_ONCE void CsvLog::finish() {
    const Row row = std::exchange(row_, {});
    if (row.open()) write(row.text().c_str());
}

CHARRNN_ONCE LogMark CsvLog::mark() const {
    if (::fsync(::fileno(file_.get())) != 0 && errno != EINVAL && errno != EROFS) fail();
    return {bytes_, row_.text()};
}

CHARRNN_ONCE void CsvLog::rewind(std::uint64_t step) {
    finish();
    if (!std::filesystem::is_regular_file(path_)) return;
    std::ifstream file(path_);
    std::string row;
    std::uint64_t bytes = 0;
    while (std::getline(file, row)) {
        if (bytes > 0 && std::strtoull(row.c_str(), nullptr, 10) > step) break;
        bytes += row.size() + 1;
    }
    rewind(LogMark{bytes, ""});
}

CHARRNN_ONCE void CsvLog::rewind(const LogMark& mark) {
    if (!file_) fail();
    Row row = row_of(mark.row);
    struct ::stat status {};
    const int file = ::fileno(file_.get());
    if (::fstat(file, &status) != 0) fail();
    if (S_ISREG(status.st_mode)) {
        if (static_cast<std::uint64_t>(status.st_size) < mark.bytes)
            throw io_error("log " + path_ + ": has " + std::to_string(status.st_size) +
                           " bytes, but the run to be resumed had written " + std::to_string(mark.bytes));
        if (::ftruncate(file, static_cast<off_t>(mark.bytes)) != 0) fail();
        if (std::fseek(file_.get(), 0, SEEK_END) != 0) fail();
    }
    bytes_ = mark.bytes;
    row_ = std::move(row);
}

CHARRNN_ONCE CsvLog::Row CsvLog::row_of(const Progress& p) {
    const auto epoch = p.step == 0 ? 0 : p.window == 0 ? p.epoch : p.epoch + 1;
    return {.before = std::to_string(p.step) + ',' + std::to_string(epoch) + ',' +
                      std::to_string(p.characters) + ',' + detail::decimal(p.seconds, 3) + ',' +
                      (p.step == 0 ? "" : detail::significant(p.loss, 9)) + ',',
            .probe = {},
            .validation = {},
            .after = ',' + detail::significant(p.learning_rate, 9) + '\n'};
}

CHARRNN_ONCE CsvLog::Row CsvLog::row_of(const std::string& text) const {
    if (text.empty()) return {};
    std::vector<std::size_t> ends;  // of the fields
    for (std::size_t i = 0; i < text.size(); ++i)
        if (text[i] == ',') ends.push_back(i);
    if (ends.size() != 7 || text.back() != '\n')
        throw io_error("log " + path_ + ": the run to be resumed has a row of " +
                       std::to_string(ends.size() + 1) + " fields, expected the 8 of a log's");
    const auto field = [&](std::size_t i) { return text.substr(ends[i - 1] + 1, ends[i] - ends[i - 1] - 1); };
    return {.before = text.substr(0, ends[4] + 1),
            .probe = field(5),
            .validation = field(6),
            .after = text.substr(ends[6])};
}

CHARRNN_ONCE void CsvLog::write(const char* text) {
    errno = 0;
    if (std::fputs(text, file_.get()) < 0) {
        const int reason = errno;
        // Half a row would be in the way of the next.
        if (::ftruncate(::fileno(file_.get()), static_cast<off_t>(bytes_)) == 0)
            (void)std::fseek(file_.get(), 0, SEEK_END);
        std::clearerr(file_.get());
        errno = reason;
        fail();
    }
    bytes_ += std::strlen(text);
}

[[noreturn]] CHARRNN_ONCE void CsvLog::fail() const {
    throw io_error("log " + path_ + ": cannot be written: " + std::strerror(errno));
}

}  // namespace charrnn
#endif
