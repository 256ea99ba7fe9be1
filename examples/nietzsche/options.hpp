#pragma once

// The example's command line: the course's values where nothing else is said.

#include <CLI/CLI.hpp>
#include <cstddef>
#include <cstdint>
#include <optional>
#include <string>
#include <vector>

struct Options {
    std::string corpus;
    std::size_t training = 493'747;
    std::vector<std::string> rungs;
    bool all = false;
    std::size_t hidden = 0, lanes = 64, window = 8, threads = 0;
    double epochs = 0;
    bool no_jitter = false;
    std::uint64_t seed = 1;
    std::size_t sample = 400;
    std::string checkpoint, save;
};

/// Read the command line. An exit code where there is nothing to run (--help, an error).
inline std::optional<int> parse(int argc, char** argv, const std::vector<std::string>& names, Options& o) {
    CLI::App app(
        "The character models of the fastai course (lessons 6 and 7) on Nietzsche's text, and their table.",
        "examples/nietzsche/run");
    const CLI::Range at_least_1(std::int64_t{1}, std::int64_t{1} << 40);
    const CLI::Range at_least_0(std::int64_t{0}, std::int64_t{1} << 40);
    app.option_defaults()->always_capture_default();
    app.add_option("--corpus", o.corpus, "the text (UTF-8)")->required()->type_name("FILE");
    auto* one = app.add_option("--rung", o.rungs, "which models, from the simplest up")
                    ->check(CLI::IsMember(names))
                    ->delimiter(',');
    app.add_flag("--all", o.all, "all of them; the LSTM takes hours")->excludes(one);
    app.add_option("--epochs", o.epochs, "stop each model after so many; 0: as many as the course")
        ->check(CLI::NonNegativeNumber);
    app.add_option(
           "--training", o.training,
           "for the models that keep their state: characters to learn from, the rest is held out; a text "
           "that has no more is divided 4 : 1")
        ->check(at_least_1);
    app.add_option("--hidden", o.hidden, "width of the recurrent layers; 0: the course's")->check(at_least_0);
    app.add_option("--lanes", o.lanes, "streams of text, for the models that keep their state")
        ->check(at_least_1);
    app.add_option("--window", o.window, "their steps of back-propagation through time (bptt)")
        ->check(at_least_1);
    app.add_flag("--no-jitter", o.no_jitter, "all windows of one length, where the course has random ones");
    app.add_option("--seed", o.seed, "of the first weights, the order and the sample");
    app.add_option("--threads", o.threads, "0: one a processor")->check(at_least_0);
    app.add_option("--sample", o.sample, "characters to write at the end")->check(at_least_0);
    app.add_option("--checkpoint", o.checkpoint,
                   "keep the run in this file, and go on with what is in it; for one model")
        ->type_name("FILE");
    app.add_option("--save", o.save,
                   "keep the model in this folder at the end of each cycle, and at its own end")
        ->type_name("DIR");
    try {
        app.parse(argc, argv);
        if (o.rungs.empty() && !o.all) throw CLI::RequiredError("--rung or --all");
        if (o.all) o.rungs = names;
        if (!o.checkpoint.empty() && o.rungs.size() != 1)
            throw CLI::ValidationError("--checkpoint", "expected one --rung");
    } catch (const CLI::ParseError& e) {
        return app.exit(e) == 0 ? 0 : 2;
    }
    return std::nullopt;
}
