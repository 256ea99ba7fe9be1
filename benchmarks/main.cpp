#include <algorithm>
#include <cstdio>
#include <exception>
#include <fstream>
#include <iostream>
#include <string>
#include <string_view>
#include <vector>

#include <charrnn/core/machine.hpp>

#include "cases.hpp"

namespace {

using namespace charrnn;
using bench::Cases;

constexpr const char* usage =
    "charrnn_bench [--quick] [--json FILE] [--list] [FILTER]\n"
    "  --quick      measure each case only briefly: to see that it works\n"
    "  --json FILE  write the results to FILE too\n"
    "  --list       list the cases\n"
    "  FILTER       a regular expression: only the cases that match\n";

/// A number with three digits and a prefix: 12.3 k.
std::string scaled(double x) {
    static constexpr std::string_view prefix[] = {"n", "u", "m", "", "k", "M", "G", "T"};
    std::size_t i = 3;
    while (x != 0 && x < 0.9995 && i > 0) x *= 1000, --i;
    while (x >= 999.5 && i < 7) x /= 1000, ++i;
    char text[32];
    std::snprintf(text, sizeof text, "%.*f %s", x < 9.995 ? 2 : x < 99.95 ? 1 : 0, x, prefix[i].data());
    return text;
}

/// A line a case.
class Table : public benchmark::BenchmarkReporter {
  public:
    explicit Table(const std::vector<std::string>& names) {
        for (const auto& name : names) width_ = std::max(width_, static_cast<int>(name.size()));
    }
    bool ReportContext(const Context&) override {
        std::printf("%s, %zu processors; multiply-add peak of one %sFLOP/s, of all %sFLOP/s\n",
                    std::string(name(simd::detect())).c_str(), hardware_threads(),
                    scaled(bench::peak_flops(1)).c_str(),
                    scaled(bench::peak_flops(hardware_threads())).c_str());
        double load = 0;
        if (std::ifstream("/proc/loadavg") >> load && load > 0.5)
            std::printf("The machine is busy with other things (load %.1f): do not trust these times.\n",
                        load);
        std::printf("\n%-*s %9s  %9s - %-9s %9s %6s  %s\n", width_, "case (times of a call)", "median", "min",
                    "max", "FLOP/s", "peak", "a second");
        return true;
    }
    void ReportRuns(const std::vector<Run>& runs) override {
        for (const Run& run : runs) {
            const auto counter = [&run](const char* name) {
                const auto found = run.counters.find(name);
                return found == run.counters.end() ? 0.0 : static_cast<double>(found->second);
            };
            std::string name = run.benchmark_name();
            name.erase(name.find("/iterations:"));  // Google Benchmark's way of saying what all have
            std::printf("%-*s %8ss  %8ss - %-9s", width_, name.c_str(),
                        scaled(run.real_accumulated_time).c_str(), scaled(counter("min_seconds")).c_str(),
                        (scaled(counter("max_seconds")) + "s").c_str());
            if (counter("flops") > 0)
                std::printf(" %9s %5.1f%%", scaled(counter("flops")).c_str(), 100 * counter("share_of_peak"));
            else
                std::printf(" %9s %6s", "", "");
            for (const auto& [key, value] : run.counters)
                if (const auto at = key.find("_per_second"); at != std::string::npos)
                    std::printf("  %s %s", scaled(static_cast<double>(value)).c_str(),
                                key.substr(0, at).c_str());
            for (const auto& [key, value] : run.counters)  // phases of a case, in alphabetical order
                if (const auto at = key.find("_seconds");
                    at != std::string::npos && key != "min_seconds" && key != "max_seconds")
                    std::printf("  %s %ss", key.substr(0, at).c_str(),
                                scaled(static_cast<double>(value)).c_str());
            if (counter("cores") < 0.8 * counter("cores_meant"))
                std::printf("  (had only %.1f cores)", counter("cores"));
            std::printf("\n");
        }
        std::fflush(stdout);
    }

  private:
    int width_ = 22;
};

int fail(const std::string& why) {
    std::cerr << why << '\n' << usage;
    return 2;
}

int run(int argc, char** argv) {
    bench::Effort effort;
    std::vector<std::string> words{argv[0]};
    std::string filter;
    bool list = false;
    for (int i = 1; i < argc; ++i) {
        const std::string word = argv[i];
        if (word == "--quick") {
            effort.seconds = 0.02;
            effort.calls = 2;
            effort.block = 0.005;
        } else if (word == "--list") {
            list = true;
        } else if (word == "--json") {
            if (++i == argc) return fail("--json needs a file");
            words.push_back(std::string("--benchmark_out=") + argv[i]);
            words.emplace_back("--benchmark_out_format=json");
        } else if (word == "-h" || word == "--help") {
            std::cout << usage;
            return 0;
        } else if (word.starts_with("-") || !filter.empty()) {
            return fail("what is " + word + "?");
        } else {
            filter = word;
        }
    }
    Cases cases(effort, filter);
    for (const auto add : bench::AddCases::list()) add(cases);
    if (cases.names().empty()) return fail("no case matches " + filter);
    if (list) {
        for (const auto& name : cases.names()) std::cout << name << '\n';
        return 0;
    }
    std::vector<char*> pointers;
    for (auto& word : words) pointers.push_back(word.data());
    int count = static_cast<int>(pointers.size());
    benchmark::Initialize(&count, pointers.data());
    Table table(cases.names());
    benchmark::RunSpecifiedBenchmarks(&table);
    return 0;
}

}  // namespace

int main(int argc, char** argv) {
    try {
        return run(argc, argv);
    } catch (const std::exception& e) {
        return fail(e.what());
    }
}
