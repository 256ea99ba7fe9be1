#pragma once

#include <array>
#include <atomic>
#include <cstddef>
#include <cstdint>
#include <exception>
#include <memory>
#include <thread>
#include <utility>
#include <vector>

#include <charrnn/core/error.hpp>
#include <charrnn/core/once.hpp>

/// @file
/// A team of threads that do the same job on different shares.

namespace charrnn {

namespace detail {

/// A barrier for threads that meet again within microseconds, as std::barrier: whoever waits looks again and again for
/// some 0.1 ms, since sleeping and being woken takes about as long, and sleeps only then. Threads that have no
/// processor each sleep at once. Each thread says in a line of its own that it is here, and looks at all others': a line that
/// several wrote would go to and fro, which takes up to 0.3 us where cores share no cache.
class Barrier {
  public:
    explicit Barrier(std::size_t size)
        : size_(size),
          looks_(size <= std::thread::hardware_concurrency() ? 2000 : 0),
          rounds_(std::make_unique<Round[]>(size)) {}

    /// Thread `i` of 0, ..., size - 1 is here, and waits for the others.
    void arrive_and_wait(std::size_t i) {
        const std::uint32_t mine = rounds_[i].number.load(std::memory_order_relaxed) + 1;
        rounds_[i].number.store(mine);  // before it is looked for who sleeps, or one would go on sleeping
        rounds_[i].number.notify_all();
        std::size_t looks = looks_;
        for (std::size_t j = 0; j < size_; ++j) {
            for (;;) {
                const std::uint32_t theirs = rounds_[j].number.load(std::memory_order_acquire);
                if (theirs == mine || theirs == mine + 1) break;  // it may be one round further on
                if (looks > 0) {
                    --looks;
#if defined(__x86_64__)
                    __builtin_ia32_pause();
#endif
                } else {
                    rounds_[j].number.wait(theirs, std::memory_order_acquire);
                }
            }
        }
    }

  private:
    /// How often a thread was here, modulo 2^32: of this width libstdc++ 12 only looks whether someone sleeps; of another it
    /// counts each waking in a line that all threads share.
    struct alignas(64) Round {
        std::atomic<std::uint32_t> number{0};
    };

    std::size_t size_, looks_;
    std::unique_ptr<Round[]> rounds_;
};

}  // namespace detail

/// A team of `size` threads, the caller's among them. `run(first, second, ...)` calls each job as job(i) on thread
/// i = 0, ..., size - 1; a job begins when all threads are done with the one before. run returns when all are
/// done. After an exception no further job begins, and run throws it again, the first one if there are several. One run at a
/// time: not from within a job, nor by two threads at once.
class Team {
  public:
    /// Errors: value_error for no threads.
    explicit Team(std::size_t size);
    ~Team();
    Team(const Team&) = delete;
    Team& operator=(const Team&) = delete;

    /// How many threads it has, the caller's among them.
    [[nodiscard]] std::size_t size() const { return errors_.size(); }

    /// Run the jobs, one after the other, each on every thread. Nothing is allocated.
    template <class... Jobs>
    void run(Jobs&&... jobs) {
        static_assert(sizeof...(Jobs) > 0, "a Team needs a job to run");
        if (threads_.empty()) {
            (jobs(std::size_t{0}), ...);
            return;
        }
        const std::array<Job<std::size_t>, sizeof...(Jobs)> list{Job<std::size_t>::of(jobs)...};
        run_steps(list.size(), [&](std::size_t step, std::size_t i) { list[step](i); });
    }
    /// The same for one job of `steps` steps, called as job(step, i).
    template <class F>
    void run_steps(std::size_t steps, F&& job) {
        if (threads_.empty())
            for (std::size_t step = 0; step < steps; ++step) job(step, std::size_t{0});
        else
            run_on_all(Job<std::size_t, std::size_t>::of(job), steps);
    }

  private:
    /// Something that can be called, with its type erased; it is borrowed.
    template <class... Arguments>
    struct Job {
        void* job = nullptr;
        void (*call)(void*, Arguments...) = nullptr;

        void operator()(Arguments... arguments) const { call(job, arguments...); }
        template <class F>
        static Job of(F& f) {
            return {const_cast<void*>(static_cast<const void*>(&f)),
                    [](void* j, Arguments... arguments) { (*static_cast<F*>(j))(arguments...); }};
        }
    };

    enum class Go { wait, ahead, away };

    void run_on_all(const Job<std::size_t, std::size_t>& job, std::size_t steps);
    void let(Go go) {
        go_ = go;
        go_.notify_all();
    }
    void work(std::size_t i);
    void take_part(std::size_t i);

    std::atomic<Go> go_{Go::wait};
    Job<std::size_t, std::size_t> job_;
    std::size_t steps_ = 0;                  // of the job; 0: there is no more to do
    std::atomic<std::size_t> failed_in_{0};  // the step that threw; those after it do not begin
    std::vector<std::exception_ptr> errors_;
    std::unique_ptr<detail::Barrier> barrier_;
    std::vector<std::jthread> threads_;
};

}  // namespace charrnn

#ifdef CHARRNN_ONCE
namespace charrnn {

CHARRNN_ONCE Team::Team(std::size_t size) {
    if (size == 0) throw value_error("threads is 0: expected at least 1");
    errors_.resize(size);
    if (size == 1) return;
    barrier_ = std::make_unique<detail::Barrier>(size);
    try {
        for (std::size_t i = 1; i < size; ++i) threads_.emplace_back([this, i] { work(i); });
    } catch (...) {  // the system gives no more threads: those there are must not wait for them
        let(Go::away);
        throw;
    }
    let(Go::ahead);
}

CHARRNN_ONCE Team::~Team() {
    if (threads_.empty()) return;
    steps_ = 0;
    barrier_->arrive_and_wait(0);  // the threads see that there is nothing to do, and end
}

CHARRNN_ONCE void Team::run_on_all(const Job<std::size_t, std::size_t>& job, std::size_t steps) {
    if (steps == 0) return;
    job_ = job;
    steps_ = steps;
    failed_in_.store(steps, std::memory_order_relaxed);
    barrier_->arrive_and_wait(0);
    take_part(0);
    std::exception_ptr first;
    for (auto& e : errors_) {  // all are taken away, or the next run would throw what is left
        if (!first) first = e;
        e = nullptr;
    }
    if (first) std::rethrow_exception(first);
}

CHARRNN_ONCE void Team::work(std::size_t i) {
    go_.wait(Go::wait);
    if (go_ == Go::away) return;
    for (;;) {
        barrier_->arrive_and_wait(i);
        if (steps_ == 0) return;
        take_part(i);
    }
}

CHARRNN_ONCE void Team::take_part(std::size_t i) {
    const std::size_t steps = steps_;
    for (std::size_t step = 0; step < steps; ++step) {
        try {
            if (step <= failed_in_.load(std::memory_order_relaxed)) job_(step, i);
        } catch (...) {
            errors_[i] = std::current_exception();
            failed_in_.store(step, std::memory_order_relaxed);
        }
        barrier_->arrive_and_wait(i);
    }
}

}  // namespace charrnn
#endif
