/// Runs libraries of several versions of the headers in turn, within one process, and prints what each part took and how
/// that stands to the first library's: turns ROUNDS CELL HIDDEN LANES STEPS LIBRARY NAME [LIBRARY NAME ...]

#include <dlfcn.h>

#include <algorithm>
#include <cstddef>
#include <cstdio>
#include <cstdlib>
#include <exception>
#include <string>
#include <vector>

#include "side.hpp"

namespace {

using namespace charrnn::bench;

/// The value below which so large a part of the others lies.
double quantile(std::vector<double> values, double part) {
    std::sort(values.begin(), values.end());
    return values[static_cast<std::size_t>(part * static_cast<double>(values.size() - 1))];
}

struct Side {
    const char* name;
    Run run;
    std::vector<std::vector<double>> seconds;  // of each part
};

void* function(void* library, const char* name) {
    void* found = library == nullptr ? nullptr : dlsym(library, name);
    if (found == nullptr) {
        std::fprintf(stderr, "turns: %s\n", dlerror());
        std::exit(1);
    }
    return found;
}

int run(int argc, char** argv) {
    if (argc < 10 || argc % 2 != 0) {
        std::fprintf(stderr, "turns ROUNDS CELL HIDDEN LANES STEPS LIBRARY NAME LIBRARY NAME ...\n");
        return 1;
    }
    const auto number = [&](int i) { return std::strtoul(argv[i], nullptr, 10); };
    std::vector<Side> sides;
    std::vector<std::string> parts;
    for (int i = 6; i < argc; i += 2) {
        void* const library = dlopen(argv[i], RTLD_NOW | RTLD_LOCAL);
        const auto setup = reinterpret_cast<Setup>(function(library, "setup"));
        const char* const* name = setup(argv[2], number(3), number(4), number(5));
        parts.clear();  // the same for all
        while (*name != nullptr) parts.emplace_back(*name++);
        sides.push_back({argv[i + 1], reinterpret_cast<Run>(function(library, "run")),
                         std::vector<std::vector<double>>(parts.size())});
    }
    // The first two rounds are for the caches and the clock. Each round begins with another side.
    const std::size_t rounds = number(1) + 2;
    for (std::size_t round = 0; round < rounds; ++round)
        for (std::size_t i = 0; i < sides.size(); ++i) {
            Side& side = sides[(round + i) % sides.size()];
            std::vector<double> seconds(parts.size());
            side.run(seconds.data());
            if (round < 2) continue;
            for (std::size_t part = 0; part < parts.size(); ++part)
                side.seconds[part].push_back(seconds[part]);
        }

    std::printf("%s 2x%s, %s lanes x %s steps; microseconds on one thread: median (lowest tenth)\n", argv[2],
                argv[3], argv[4], argv[5]);
    std::printf("%-12s", "");
    for (const Side& side : sides) std::printf(" %24.24s", side.name);
    std::printf("   median of a round's ratios to %s\n", sides.front().name);
    for (std::size_t part = 0; part < parts.size(); ++part) {
        std::printf("%-12s", parts[part].c_str());
        for (const Side& side : sides)
            std::printf(" %12.2f (%9.2f)", quantile(side.seconds[part], 0.5) * 1e6,
                        quantile(side.seconds[part], 0.1) * 1e6);
        std::printf("  ");
        for (const Side& side : sides) {
            std::vector<double> ratios;
            for (std::size_t i = 0; i < side.seconds[part].size(); ++i)
                ratios.push_back(side.seconds[part][i] / sides.front().seconds[part][i]);
            if (&side != &sides.front()) std::printf(" %.3f", quantile(ratios, 0.5));
        }
        std::printf("\n");
    }
    return 0;
}

}  // namespace

int main(int argc, char** argv) {
    try {
        return run(argc, argv);
    } catch (const std::exception& e) {
        std::fprintf(stderr, "turns: %s\n", e.what());
        return 1;
    }
}
