#pragma once

#include <cerrno>
#include <cstddef>
#include <cstdio>
#include <cstring>
#include <string>

#include <fcntl.h>
#include <sys/stat.h>
#include <sys/types.h>
#include <unistd.h>

#include <charrnn/core/error.hpp>
#include <charrnn/core/once.hpp>

namespace charrnn {

/// The system calls that reading and writing files take, so that a test can let each of them fail. Each behaves as
/// the call of its name: -1 and errno for an error.
class FileSystem {
  public:
    FileSystem() = default;
    virtual ~FileSystem() = default;
    FileSystem(const FileSystem&) = delete;
    FileSystem& operator=(const FileSystem&) = delete;

    /// As open(2).
    virtual int open(const char* path, int flags, unsigned mode) { return ::open(path, flags, mode); }
    /// As read(2).
    virtual ssize_t read(int file, void* to, std::size_t n) { return ::read(file, to, n); }
    /// As write(2).
    virtual ssize_t write(int file, const void* from, std::size_t n) { return ::write(file, from, n); }
    /// As fsync(2).
    virtual int fsync(int file) { return ::fsync(file); }
    /// As close(2).
    virtual int close(int file) { return ::close(file); }
    /// As rename(2).
    virtual int rename(const char* from, const char* to) { return ::rename(from, to); }
    /// As symlink(2).
    virtual int symlink(const char* target, const char* path) { return ::symlink(target, path); }
    /// As unlink(2).
    virtual int unlink(const char* path) { return ::unlink(path); }
    /// As lseek(2), from the beginning.
    virtual off_t seek(int file, off_t to) { return ::lseek(file, to, SEEK_SET); }
    /// As fstat(2).
    virtual int stat(int file, struct ::stat* status) { return ::fstat(file, status); }

    /// The machine's own.
    static FileSystem& real() {
        static FileSystem files;
        return files;
    }
};

namespace detail {

/// "saved.safetensors: cannot be written: No space left on device"
[[noreturn]] void fail_io(const std::string& path, const char* what, int reason);

/// A file open for reading. Errors: io_error, naming it and the reason
class OpenFile {
  public:
    OpenFile(const std::string& path, FileSystem& files);
    ~OpenFile() { files_.close(file_); }
    OpenFile(const OpenFile&) = delete;
    OpenFile& operator=(const OpenFile&) = delete;

    [[nodiscard]] std::size_t size() const;
    void rewind() const;
    /// Read exactly so many bytes.
    void read(char* to, std::size_t n) const;

  private:
    std::string path_;
    FileSystem& files_;
    int file_ = -1;
};

}  // namespace detail
}  // namespace charrnn

#ifdef CHARRNN_ONCE
namespace charrnn {

namespace detail {

[[noreturn]] CHARRNN_ONCE void fail_io(const std::string& path, const char* what, int reason) {
    throw io_error(path + ": " + what + ": " + std::strerror(reason));
}

CHARRNN_ONCE OpenFile::OpenFile(const std::string& path, FileSystem& files) : path_(path), files_(files) {
    // Of a pipe without a writer the opening would wait for one; what is no file is refused by its size.
    do file_ = files_.open(path_.c_str(), O_RDONLY | O_CLOEXEC | O_NONBLOCK, 0);
    while (file_ < 0 && errno == EINTR);
    if (file_ < 0) fail_io(path_, "cannot be opened", errno);
}

CHARRNN_ONCE std::size_t OpenFile::size() const {
    struct ::stat status {};
    if (files_.stat(file_, &status) != 0) fail_io(path_, "cannot be looked at", errno);
    if (!S_ISREG(status.st_mode)) throw io_error(path_ + ": is not a regular file");
    return static_cast<std::size_t>(status.st_size);
}

CHARRNN_ONCE void OpenFile::rewind() const {
    if (files_.seek(file_, 0) != 0) fail_io(path_, "cannot be read", errno);
}

CHARRNN_ONCE void OpenFile::read(char* to, std::size_t n) const {
    while (n > 0) {
        const ssize_t got = files_.read(file_, to, n);
        if (got < 0 && errno == EINTR) continue;
        if (got < 0) fail_io(path_, "cannot be read", errno);
        if (got == 0) throw io_error(path_ + ": has become shorter while it was read");
        to += got;
        n -= static_cast<std::size_t>(got);
    }
}

}  // namespace detail

}  // namespace charrnn
#endif
