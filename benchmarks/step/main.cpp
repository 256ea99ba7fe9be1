/// Times whole training steps, or the writing of text, and prints one line of JSON, with the names that
/// peers/pytorch_step.py uses:
/// charrnn_step --cell lstm --hidden 128 --layers 2 --lanes 50 --window 50 --vocab 101 --threads 2 --steps 50
/// charrnn_step --mode sample --streams 32 --hidden 128 --steps 1000

#include <algorithm>
#include <charconv>
#include <cstddef>
#include <cstdio>
#include <exception>
#include <iostream>
#include <string>
#include <string_view>

#include <charrnn/core/simd.hpp>

#include "../measure.hpp"
#include "../training_step.hpp"
#include "../writing.hpp"

namespace {

using namespace charrnn;
using namespace charrnn::bench;

template <class Number>
Number number(std::string_view option, std::string_view text) {
    Number n{};
    const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), n);
    if (error != std::errc() || end != text.data() + text.size())
        throw value_error(std::string(option) + " is " + std::string(text) + ": expected a number");
    return n;
}

void train(const Setting& setting, const Effort& effort) {
    TrainingStep step(setting);
    const double first_loss = (step(), step.loss());
    const Measured m = measure(effort, step.operations(), step.options().threads, step);
    std::printf(
        "{\"peer\": \"charrnn\", \"mode\": \"train\", \"cell\": \"%s\", \"hidden\": %zu, \"layers\": %zu, "
        "\"vocab\": %zu, \"threads\": %zu, \"slices\": %zu, \"steps\": %zu, \"warmup\": %zu, \"lanes\": %zu, "
        "\"window\": %zu, \"clip\": %g, \"first_loss\": %.4f, \"last_loss\": %.4f, \"parameters\": %zu, "
        "\"seconds_per_step\": %.9g, \"seconds_min\": %.9g, \"seconds_max\": %.9g, "
        "\"characters_per_second\": %.9g, \"peak_flops\": %.9g, \"share_of_peak\": %.6f, \"cores\": %.3f, "
        "\"dtype\": \"float32\", \"simd\": \"%s\"}\n",
        setting.cell.c_str(), setting.hidden, setting.layers, setting.vocabulary, step.options().threads,
        step.options().slices, m.calls, effort.warmup, setting.lanes, setting.window, setting.clip,
        first_loss, step.loss(), step.parameters(), m.median, m.min, m.max, step.characters() / m.median,
        m.peak, m.share, m.cores, std::string(name(simd::level())).c_str());
}

void write(const Setting& setting, Effort effort, std::size_t streams) {
    Writing writing(setting, streams);
    // A step is a character here, and a call writes many.
    const std::size_t steps = effort.calls, warmup = effort.warmup;
    effort.calls = std::max<std::size_t>(5, steps / Writing::characters);
    effort.warmup = 1 + warmup / Writing::characters;
    const Measured m = measure(effort, writing.operations(), setting.threads, writing);
    const double seconds = m.median / static_cast<double>(Writing::characters);
    const auto part = static_cast<std::size_t>(writing.weight_bytes()) / setting.threads;
    const double limit = static_cast<double>(part) / read_bytes_per_second(part);
    std::printf(
        "{\"peer\": \"charrnn\", \"mode\": \"sample\", \"cell\": \"%s\", \"hidden\": %zu, \"layers\": %zu, "
        "\"vocab\": %zu, \"threads\": %zu, \"streams\": %zu, \"steps\": %zu, \"warmup\": %zu, "
        "\"parameters\": "
        "%zu, "
        "\"seconds_per_step\": %.9g, \"characters_per_second\": %.9g, \"peak_flops\": %.9g, "
        "\"share_of_peak\": %.6f, \"weight_bytes\": %.0f, \"share_of_bandwidth\": %.6f, \"cores\": %.3f, "
        "\"dtype\": \"float32\", \"simd\": \"%s\"}\n",
        setting.cell.c_str(), setting.hidden, setting.layers, setting.vocabulary, setting.threads, streams,
        m.calls, effort.warmup, writing.parameters(), seconds, static_cast<double>(streams) / seconds, m.peak,
        m.share, writing.weight_bytes(), limit / seconds, m.cores, std::string(name(simd::level())).c_str());
}

int run(int argc, char** argv) {
    Setting setting;
    std::string mode = "train";
    std::size_t streams = 1;
    Effort effort{.calls = 50, .warmup = 10, .block = 0.1, .by_calls = true};
    for (int i = 1; i < argc; i += 2) {
        const std::string_view option = argv[i];
        if (i + 1 == argc) throw value_error(std::string(option) + ": expected a value after it");
        const std::string_view value = argv[i + 1];
        const auto count = [&] { return number<std::size_t>(option, value); };
        if (option == "--mode")
            mode = value;
        else if (option == "--streams")
            streams = count();
        else if (option == "--cell")
            setting.cell = value;
        else if (option == "--hidden")
            setting.hidden = count();
        else if (option == "--layers")
            setting.layers = count();
        else if (option == "--lanes")
            setting.lanes = count();
        else if (option == "--window")
            setting.window = count();
        else if (option == "--vocab")
            setting.vocabulary = count();
        else if (option == "--threads")
            setting.threads = count();
        else if (option == "--slices")
            setting.slices = count();
        else if (option == "--lr")
            setting.lr = number<double>(option, value);
        else if (option == "--clip")
            setting.clip = number<double>(option, value);
        else if (option == "--steps")
            effort.calls = count();
        else if (option == "--warmup")
            effort.warmup = count();
        else
            throw value_error("what is " + std::string(option) +
                              "? There are --mode, --streams, --cell, --hidden, --layers, --lanes, --window, "
                              "--vocab, --threads, "
                              "--slices, --lr, --clip, --steps and --warmup, each with a value");
    }
    if (effort.calls == 0) throw value_error("--steps is 0: expected at least 1");

    if (mode == "train")
        train(setting, effort);
    else if (mode == "sample")
        write(setting, effort, streams);
    else
        throw value_error("--mode is " + mode + ": expected train or sample");
    return 0;
}

}  // namespace

int main(int argc, char** argv) {
    try {
        return run(argc, argv);
    } catch (const std::exception& e) {
        std::cerr << "charrnn_step: " << e.what() << '\n';
        return 1;
    }
}
