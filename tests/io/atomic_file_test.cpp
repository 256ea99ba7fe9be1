#include <doctest/doctest.h>

#include <charrnn/io/atomic_file.hpp>
#include <charrnn/io/safetensors.hpp>
#include <filesystem>
#include <fstream>
#include <set>
#include <sstream>
#include <string>
#include <vector>

#include "simulated_disk.hpp"
#include "temporary_folder.hpp"

namespace atomic_file_test {

using namespace charrnn;
using test::contents;

namespace {

std::size_t files_in(const std::string& folder) {
    std::size_t n = 0;
    for (const auto& entry : std::filesystem::directory_iterator(folder)) n += entry.exists() ? 1 : 0;
    return n;
}

/// A file of tensors, of some length, with a number in it.
std::string image(float number) {
    const std::vector<float> x(300, number);
    return tensor_file_bytes({TensorSource::of("x", {300}, x.data(), x.size())}, {});
}

/// The machine's files, but call number `which` fails.
class FailingFiles final : public FileSystem {
  public:
    FailingFiles(std::size_t which, int reason) : which_(which), reason_(reason) {}
    [[nodiscard]] bool reached() const { return reached_; }
    [[nodiscard]] const std::string& what() const { return what_; }

    int open(const char* path, int flags, unsigned mode) override {
        return fails("open") ? -1 : FileSystem::open(path, flags, mode);
    }
    ssize_t write(int f, const void* from, std::size_t n) override {
        if (fails("write")) {
            if (reason_ != 0) return -1;
            n /= 2;
        }
        return FileSystem::write(f, from, n);
    }
    int fsync(int f) override { return fails("fsync") ? -1 : FileSystem::fsync(f); }
    int close(int f) override {
        const bool failing = fails("close");
        FileSystem::close(f);  // as Linux does: it is closed even if it says EIO
        return failing ? (errno = reason_, -1) : 0;
    }
    int rename(const char* from, const char* to) override {
        return fails("rename") ? -1 : FileSystem::rename(from, to);
    }
    int symlink(const char* target, const char* path) override {
        return fails("symlink") ? -1 : FileSystem::symlink(target, path);
    }

  private:
    bool fails(const char* call) {
        if (count_++ != which_ || (reason_ == 0 && std::string(call) != "write")) return false;
        reached_ = true;
        what_ = call;
        errno = reason_;
        return true;
    }

    std::size_t which_, count_ = 0;
    int reason_;
    bool reached_ = false;
    std::string what_;
};

}  // namespace

TEST_CASE("a file is written, and replaced, and nothing else is left there") {
    const test::TemporaryFolder folder;
    const std::string path = folder.path() + "/f";
    write_atomically(path, "one");
    CHECK(contents(path) == "one");
    write_atomically(path, std::string(100'000, 'x'));
    CHECK(contents(path).size() == 100'000);
    write_atomically(path, "");
    CHECK(contents(path).empty());
    CHECK(files_in(folder.path()) == 1);
}

TEST_CASE(
    "any system call of a save may fail: the file is the old one or the new one, and the error says why") {
    const test::TemporaryFolder folder;
    const std::string path = folder.path() + "/f.safetensors";
    std::size_t failures = 0;
    std::set<std::string> calls;
    for (const int reason : {ENOSPC, EIO, EDQUOT, EACCES, EROFS, EMFILE, EINTR, 0}) {
        for (std::size_t which = 0;; ++which) {
            write_atomically(path, image(1));
            FailingFiles files(which, reason);
            bool thrown = false;
            try {
                write_atomically(path, image(2), files);
            } catch (const io_error& e) {
                thrown = true;
                const std::string message = e.what();
                CAPTURE(message);
                CHECK(message.find(path) == 0);
                CHECK(message.find(std::strerror(reason)) != std::string::npos);
            }
            if (reason != 0 && !files.reached()) break;
            if (reason == 0 && which > 8) break;
            CAPTURE(reason);
            CAPTURE(files.what());
            float x[300];
            TensorFile::read(path).copy("x", {300}, x);
            // An interrupted call is repeated, and a short write goes on; else, nobody looks at the last close.
            const bool harmless = reason == EINTR || reason == 0;
            CHECK((x[0] == 1 || x[0] == 2));
            CHECK((thrown || x[0] == 2));
            if (harmless) CHECK(x[0] == 2);
            CHECK(files_in(folder.path()) == 1);
            if (files.reached()) {
                ++failures;
                calls.insert(files.what());
            }
        }
    }
    CHECK(calls == std::set<std::string>{"open", "write", "fsync", "close", "rename"});
    MESSAGE(failures << " failing calls");
}

TEST_CASE("a file in a folder that is not there") {
    CHECK_THROWS_WITH_AS(
        write_atomically("/nowhere/f", "x"),
        "/nowhere/f: cannot be written, for no file can be made beside it: No such file or directory",
        io_error);
}

TEST_CASE("a link is made and turned, all or nothing") {
    const test::TemporaryFolder folder;
    const std::string path = folder.path() + "/last";
    write_atomically(folder.path() + "/a", "A");
    write_atomically(folder.path() + "/b", "B");
    link_atomically(path, "a");
    CHECK(contents(path) == "A");
    link_atomically(path, "b");
    CHECK(contents(path) == "B");
    for (std::size_t which = 0;; ++which) {
        link_atomically(path, "a");
        FailingFiles files(which, EIO);
        try {
            link_atomically(path, "b", files);
        } catch (const io_error&) {
        }
        if (!files.reached()) break;
        CHECK((contents(path) == "A" || contents(path) == "B"));
        CHECK(files_in(folder.path()) == 3);
    }
}

TEST_CASE("the power goes at any moment of a save, and unsynchronised writes are lost: 1,000 seeds") {
    std::size_t cuts = 0, old_ones = 0, new_ones = 0;
    for (std::uint64_t seed = 0; seed < 1000; ++seed) {
        CAPTURE(seed);
        test::SimulatedDisk disk(seed);
        Random random(seed, 1);
        write_atomically("run/f", image(0), disk);
        float saved = 0;
        // Several saves, and power cuts, one after the other on the same disk.
        for (float next = 1; next < 6; ++next) {
            disk.cut_after(random.below(30));
            bool cut = false;
            try {
                write_atomically("run/f", image(next), disk);
                saved = next;
            } catch (const test::PowerCut&) {
                cut = true;
            }
            if (!cut && random.below(2) == 0) continue;
            disk.restart();
            ++cuts;
            const std::string* now = disk.contents("run/f");
            REQUIRE(now != nullptr);
            float x[300];
            TensorFile::parse(*now, "run/f").copy("x", {300}, x);
            CHECK((x[0] == saved || (cut && x[0] == next)));
            (x[0] == next ? new_ones : old_ones) += 1;
            saved = x[0];
        }
    }
    MESSAGE(cuts << " power cuts, " << old_ones << " old files, " << new_ones << " new ones");
    CHECK(old_ones > 500);
    CHECK(new_ones > 500);
}

TEST_CASE("the simulated disk does lose what was not synchronised") {
    std::size_t damaged = 0;
    for (std::uint64_t seed = 0; seed < 100; ++seed) {
        test::SimulatedDisk disk(seed);
        write_atomically("f", image(0), disk);
        // Over the old file, as one should not.
        const int f = disk.open("f", O_WRONLY | O_TRUNC, 0);
        std::string bytes = image(1);
        while (!bytes.empty())
            bytes.erase(0, static_cast<std::size_t>(disk.write(f, bytes.data(), bytes.size())));
        disk.restart();
        try {
            TensorFile::parse(*disk.contents("f"), "f");
        } catch (const data_error&) {
            ++damaged;
        }
    }
    CHECK(damaged > 50);
}

}  // namespace atomic_file_test
