#pragma once

#include <cstddef>
#include <functional>
#include <regex>
#include <string>
#include <utility>
#include <vector>

#include <benchmark/benchmark.h>

#include "measure.hpp"

/// @file
/// The list of cases. A source file adds its own:
///
///     const AddCases added([](Cases& cases) {
///         cases.add("layer/lstm/...", [=](Case& c) {
///             ...                                            // what it needs
///             c.measure({.flops = ..., .items = ..., .unit = "characters"}, [&] { ... });
///         });
///     });

namespace charrnn::bench {

/// What one call does.
struct Work {
    double flops = 0;         ///< useful operations; 0: a share of the peak would say nothing
    double items = 0;         ///< how many of `unit`
    const char* unit = "";    ///< characters, elements, bytes
    std::size_t threads = 1;  ///< cores in use
};

/// One case at work.
class Case {
  public:
    Case(benchmark::State& state, const Effort& effort) : state_(state), effort_(effort) {}

    /// Whether to be quick: then large data may be smaller.
    [[nodiscard]] bool quick() const { return effort_.seconds < 0.1; }

    template <class F>
    void measure(const Work& work, F&& f) {
        const Measured m = bench::measure(effort_, work.flops, work.threads, f);
        state_.SetIterationTime(m.median);
        state_.counters["min_seconds"] = m.min;
        state_.counters["max_seconds"] = m.max;
        state_.counters["calls"] = static_cast<double>(m.calls);
        state_.counters["cores_meant"] = static_cast<double>(work.threads);
        state_.counters["cores"] = m.cores;
        state_.counters["peak_flops"] = m.peak;
        if (work.flops > 0) {
            state_.counters["flops"] = work.flops / m.median;
            state_.counters["share_of_peak"] = m.share;
        }
        if (work.items > 0) state_.counters[std::string(work.unit) + "_per_second"] = work.items / m.median;
    }

    /// One more number for the results.
    void note(const std::string& name, double value) { state_.counters[name] = value; }

  private:
    benchmark::State& state_;
    Effort effort_;
};

/// The cases whose names match a filter. Google Benchmark runs them and writes the results; how long each takes, and
/// the blocks between two looks at the peak, are `measure`'s: to Google Benchmark a case is one iteration, whose
/// time is the median of a call.
class Cases {
  public:
    Cases(const Effort& effort, const std::string& filter) : effort_(effort), filter_(filter) {}

    [[nodiscard]] const std::vector<std::string>& names() const { return names_; }

    void add(const std::string& name, std::function<void(Case&)> run) {
        if (!std::regex_search(name, filter_)) return;
        names_.push_back(name);
        benchmark::RegisterBenchmark(name.c_str(),
                                     [effort = effort_, run = std::move(run)](benchmark::State& state) {
                                         for (auto _ : state) {
                                             Case c(state, effort);
                                             run(c);
                                         }
                                     })
            ->UseManualTime()
            ->Iterations(1);
    }

  private:
    Effort effort_;
    std::regex filter_;
    std::vector<std::string> names_;
};

/// Adds a source file's cases to the list that main works off.
struct AddCases {
    using Add = void (*)(Cases&);
    explicit AddCases(Add add) { list().push_back(add); }
    static std::vector<Add>& list() {
        static std::vector<Add> all;
        return all;
    }
};

/// Keep the compiler from leaving out what nobody reads.
template <class T>
void keep(const T& value) {
    benchmark::DoNotOptimize(value);
}

}  // namespace charrnn::bench
