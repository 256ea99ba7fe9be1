#pragma once

#include <cstddef>
#include <string>
#include <string_view>

#include <charrnn/core/error.hpp>
#include <charrnn/core/once.hpp>
#include <charrnn/io/file_system.hpp>

/// @file
/// Writing a file so that at every moment, whatever fails, the name has the old contents or the new ones, whole.

namespace charrnn {

namespace detail {

/// The folder that a path is in: what has to be synchronised for its name to last.
std::string folder_of(const std::string& path);

}  // namespace detail

/// Write a file, or replace it, all or nothing: a temporary file in the same folder is written and synchronised, then
/// renamed, then the folder is synchronised. When it returns, the new contents outlast a power failure.
///
/// Errors: io_error, naming the path and the reason; the file is then as it was (if all but the last step was done, it
///         is the new one, whole, but a power failure might bring back the old one), and no temporary file is left
void write_atomically(const std::string& path, std::string_view contents,
                      FileSystem& files = FileSystem::real());

/// Let the symbolic link `path` point to `target` (a name in the same folder), all or nothing. Where the file system has
/// no links, `path` becomes a copy. Errors: io_error
void link_atomically(const std::string& path, const std::string& target,
                     FileSystem& files = FileSystem::real());

}  // namespace charrnn

#ifdef CHARRNN_ONCE
#include <fcntl.h>
#include <unistd.h>

#include <cerrno>

namespace charrnn {

namespace detail {

CHARRNN_ONCE std::string folder_of(const std::string& path) {
    const std::size_t slash = path.rfind('/');
    return slash == std::string::npos ? "." : slash == 0 ? "/" : path.substr(0, slash);
}

/// A name beside `path`, of this process alone.
CHARRNN_ONCE std::string temporary_beside(const std::string& path) {
    return path + "." + std::to_string(::getpid()) + ".tmp";
}

/// Closes a file descriptor, and removes the temporary file unless it has been given its name.
class Temporary {
  public:
    Temporary(std::string path, FileSystem& files) : path_(std::move(path)), files_(files) {}
    ~Temporary() {
        if (file >= 0) files_.close(file);
        if (!kept && exists) files_.unlink(path_.c_str());
    }
    Temporary(const Temporary&) = delete;
    Temporary& operator=(const Temporary&) = delete;

    [[nodiscard]] const std::string& path() const { return path_; }

    int file = -1;
    bool exists = false;
    bool kept = false;

  private:
    std::string path_;
    FileSystem& files_;
};

/// Make the names in the folder of `path` last. Errors: io_error
CHARRNN_ONCE void sync_folder(const std::string& path, FileSystem& files) {
    const std::string folder = folder_of(path);
    int f = -1;
    do f = files.open(folder.c_str(), O_RDONLY | O_DIRECTORY | O_CLOEXEC, 0);
    while (f < 0 && errno == EINTR);
    if (f < 0) fail_io(path, "is written, but its folder cannot be opened to make the name last", errno);
    int result = 0;
    do result = files.fsync(f);
    while (result != 0 && errno == EINTR);
    const int reason = errno;
    files.close(f);
    // Some file systems cannot synchronise a folder, and say so with EINVAL: there is nothing more to do then.
    if (result != 0 && reason != EINVAL)
        fail_io(path, "is written, but its folder cannot be synchronised to make the name last", reason);
}

/// Give `temporary` the name `path`, and make it last. Errors: io_error
CHARRNN_ONCE void rename_over(Temporary& temporary, const std::string& path, FileSystem& files) {
    int result = 0;
    do result = files.rename(temporary.path().c_str(), path.c_str());
    while (result != 0 && errno == EINTR);
    if (result != 0) fail_io(path, "cannot be replaced", errno);
    temporary.kept = true;
    sync_folder(path, files);
}

}  // namespace detail

CHARRNN_ONCE void write_atomically(const std::string& path, std::string_view contents, FileSystem& files) {
    detail::Temporary temporary(detail::temporary_beside(path), files);
    do
        temporary.file =
            files.open(temporary.path().c_str(), O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC | O_NOFOLLOW, 0666);
    while (temporary.file < 0 && errno == EINTR);
    if (temporary.file < 0)
        detail::fail_io(path, "cannot be written, for no file can be made beside it", errno);
    temporary.exists = true;
    while (!contents.empty()) {
        const ssize_t n = files.write(temporary.file, contents.data(), contents.size());
        if (n < 0 && errno == EINTR) continue;
        if (n < 0) detail::fail_io(path, "cannot be written", errno);
        if (n == 0) detail::fail_io(path, "cannot be written", ENOSPC);
        contents.remove_prefix(static_cast<std::size_t>(n));
    }
    int result = 0;
    do result = files.fsync(temporary.file);
    while (result != 0 && errno == EINTR);
    if (result != 0) detail::fail_io(path, "cannot be synchronised", errno);
    // After EINTR the descriptor is closed on Linux: closing again could close another's.
    result = files.close(temporary.file);
    temporary.file = -1;
    if (result != 0 && errno != EINTR) detail::fail_io(path, "cannot be closed", errno);
    detail::rename_over(temporary, path, files);
}

CHARRNN_ONCE void link_atomically(const std::string& path, const std::string& target, FileSystem& files) {
    detail::Temporary temporary(detail::temporary_beside(path), files);
    files.unlink(temporary.path().c_str());
    if (files.symlink(target.c_str(), temporary.path().c_str()) != 0) {
        if (errno != EPERM && errno != EOPNOTSUPP && errno != ENOSYS)
            detail::fail_io(path, "cannot be made a link", errno);
        const detail::OpenFile from(detail::folder_of(path) + "/" + target, files);
        std::string contents(from.size(), '\0');
        from.read(contents.data(), contents.size());
        return write_atomically(path, contents, files);
    }
    temporary.exists = true;
    detail::rename_over(temporary, path, files);
}

}  // namespace charrnn
#endif
