#pragma once

#include <algorithm>
#include <cerrno>
#include <cstddef>
#include <cstdint>
#include <functional>
#include <map>
#include <memory>
#include <string>
#include <vector>

#include <fcntl.h>

#include <charrnn/core/random.hpp>
#include <charrnn/io/file_system.hpp>

/// @file
/// A disk in memory that can lose its power. What is written stays in a cache until fsync: when the power goes, each
/// write since then is kept, lost, or half done, by chance, and of the changes to names since the folder's fsync a
/// chance number, in order, is kept.

namespace charrnn::test {

/// The power has gone: thrown out of a system call.
struct PowerCut {};

class SimulatedDisk final : public FileSystem {
  public:
    explicit SimulatedDisk(std::uint64_t seed) : random_(seed) {}

    /// After so many more calls the power goes.
    void cut_after(std::size_t calls) { calls_left_ = calls; }
    [[nodiscard]] std::size_t calls() const { return calls_; }

    int open(const char* path, int flags, unsigned) override {
        tick();
        if ((flags & O_DIRECTORY) != 0) return add({true, nullptr, 0});
        const auto found = names_.find(path);
        if (found == names_.end() && (flags & O_CREAT) == 0) return fail(ENOENT);
        if (found == names_.end()) {
            const auto file = std::make_shared<File>();
            change([=, name = std::string(path)](Names& names) { names[name] = file; });
        }
        const std::shared_ptr<File> file = names_.at(path);
        if ((flags & O_TRUNC) != 0) {
            file->now.clear();
            file->unsynced.push_back({Write::truncate, 0, {}});
        }
        return add({false, file, 0});
    }
    ssize_t write(int f, const void* from, std::size_t n) override {
        tick();
        n = 1 + random_.below(n);  // short writes are the rule here
        Open& o = open_.at(f);
        const std::string bytes(static_cast<const char*>(from), n);
        Write w{o.at, bytes.size(), bytes};
        apply(o.file->now, w);
        o.file->unsynced.push_back(std::move(w));
        o.at += n;
        return static_cast<ssize_t>(n);
    }
    int fsync(int f) override {
        tick();
        Open& o = open_.at(f);
        if (o.folder) {
            durable_names_ = names_;
            unsynced_names_.clear();
        } else {
            o.file->durable = o.file->now;
            o.file->unsynced.clear();
        }
        return 0;
    }
    int close(int f) override {
        tick();
        open_.erase(f);
        return 0;
    }
    int rename(const char* from, const char* to) override {
        tick();
        if (names_.count(from) == 0) return fail(ENOENT);
        change([from = std::string(from), to = std::string(to)](Names& names) {
            names[to] = names.at(from);
            names.erase(from);
        });
        return 0;
    }
    int unlink(const char* path) override {
        tick();
        if (names_.count(path) == 0) return fail(ENOENT);
        change([path = std::string(path)](Names& names) { names.erase(path); });
        return 0;
    }

    /// What is there when the power comes back; the cache is empty then.
    void restart() {
        Names names = durable_names_;
        const std::size_t kept = random_.below(unsynced_names_.size() + 1);
        for (std::size_t i = 0; i < kept; ++i) unsynced_names_[i](names);
        for (auto& [name, file] : names) {
            for (Write w : file->unsynced) {
                const std::uint64_t fate = random_.below(3);
                if (fate == 0) continue;
                if (fate == 1 && w.at != Write::truncate) w.bytes.resize(random_.below(w.bytes.size() + 1));
                apply(file->durable, w);
            }
            file->unsynced.clear();
            file->now = file->durable;
        }
        names_ = durable_names_ = names;
        unsynced_names_.clear();
        open_.clear();
        dead_ = false;
        calls_left_ = SIZE_MAX;
    }
    [[nodiscard]] const std::string* contents(const std::string& path) const {
        const auto found = names_.find(path);
        return found == names_.end() ? nullptr : &found->second->now;
    }

  private:
    struct Write {
        static constexpr std::size_t truncate = SIZE_MAX;
        std::size_t at, length;
        std::string bytes;
    };
    struct File {
        std::string now, durable;
        std::vector<Write> unsynced;
    };
    using Names = std::map<std::string, std::shared_ptr<File>>;
    struct Open {
        bool folder;
        std::shared_ptr<File> file;
        std::size_t at;
    };

    static void apply(std::string& contents, const Write& w) {
        if (w.at == Write::truncate) {
            contents.clear();
            return;
        }
        // The length may last and the bytes not: then there are zeros.
        if (contents.size() < w.at + w.length) contents.resize(w.at + w.length, '\0');
        std::copy(w.bytes.begin(), w.bytes.end(), contents.begin() + static_cast<std::ptrdiff_t>(w.at));
    }
    void tick() {
        ++calls_;
        if (dead_) return;  // a destructor on the way out: what it does reaches nothing that lasts
        if (calls_left_-- == 0) {
            dead_ = true;
            throw PowerCut();
        }
    }
    template <class F>
    void change(F f) {
        f(names_);
        if (!dead_) unsynced_names_.push_back(f);
    }
    static int fail(int reason) {
        errno = reason;
        return -1;
    }
    int add(Open o) {
        open_[next_] = std::move(o);
        return next_++;
    }

    Random random_;
    Names names_, durable_names_;
    std::vector<std::function<void(Names&)>> unsynced_names_;
    std::map<int, Open> open_;
    int next_ = 3;
    std::size_t calls_ = 0, calls_left_ = SIZE_MAX;
    bool dead_ = false;
};

}  // namespace charrnn::test
