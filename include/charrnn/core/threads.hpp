#pragma once

#include <barrier>
#include <cstddef>
#include <exception>
#include <functional>
#include <memory>
#include <string>
#include <thread>
#include <utility>
#include <vector>

#include <charrnn/core/error.hpp>

/// @file
/// A team of threads that do the same job on different shares.

namespace charrnn {

/// How many processors this program may use.
inline std::size_t hardware_threads() {
    const unsigned n = std::thread::hardware_concurrency();
    return n == 0 ? 1 : n;
}

/// A team of `size` threads, the caller's among them. `run(job)` calls job(0), ..., job(size - 1), each on its
/// own thread, and returns when all are done. An exception of a job is thrown again by run, the first one if
/// there are several.
class Team {
  public:
    /// Errors: value_error for no threads.
    explicit Team(std::size_t size) {
        if (size == 0) throw value_error("threads is 0: expected at least 1");
        errors_.resize(size);
        if (size == 1) return;
        barrier_ = std::make_unique<std::barrier<>>(static_cast<std::ptrdiff_t>(size));
        for (std::size_t i = 1; i < size; ++i) threads_.emplace_back([this, i] { work(i); });
    }
    ~Team() {
        if (threads_.empty()) return;
        job_ = nullptr;
        barrier_->arrive_and_wait();  // the threads see that there is no job, and end
    }
    Team(const Team&) = delete;
    Team& operator=(const Team&) = delete;

    [[nodiscard]] std::size_t size() const { return errors_.size(); }

    /// Run `job` on every thread and wait. Nothing is allocated.
    template <class Job> void run(Job&& job) {
        if (threads_.empty()) {
            job(std::size_t{0});
            return;
        }
        call_ = [](void* j, std::size_t i) { (*static_cast<std::remove_reference_t<Job>*>(j))(i); };
        job_ = const_cast<void*>(static_cast<const void*>(&job));
        barrier_->arrive_and_wait();  // begin
        guarded(0);
        barrier_->arrive_and_wait();  // end
        std::exception_ptr first;
        for (auto& e : errors_) {  // all are taken away, or the next run would throw what is left
            if (!first) first = e;
            e = nullptr;
        }
        if (first) std::rethrow_exception(first);
    }

  private:
    void work(std::size_t i) {
        for (;;) {
            barrier_->arrive_and_wait();
            if (job_ == nullptr) return;
            guarded(i);
            barrier_->arrive_and_wait();
        }
    }
    void guarded(std::size_t i) {
        try {
            call_(job_, i);
        } catch (...) {
            errors_[i] = std::current_exception();
        }
    }

    void* job_ = nullptr;
    void (*call_)(void*, std::size_t) = nullptr;
    std::vector<std::exception_ptr> errors_;
    std::unique_ptr<std::barrier<>> barrier_;
    std::vector<std::jthread> threads_;
};

}  // namespace charrnn
