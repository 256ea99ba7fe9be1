#pragma once

// The example's command line: the values of the Flux documents where nothing else is said.

#include <CLI/CLI.hpp>
#include <charrnn/charrnn.hpp>
#include <cstddef>
#include <cstdint>
#include <map>
#include <optional>
#include <string>
#include <utility>

#include "../run_settings.hpp"
#include "corpus.hpp"

struct Options {
    std::string cell = "lstm";
    std::size_t hidden = 128, layers = 2;
    std::size_t lanes = 50, window = 50, truncate = 0;
    std::string recipe = "flux", optimiser = "adam", schedule = "decay";
    double lr = 0.002, decay = 0.97, clip = 0, dropout = 0, weight_decay = 0;
    std::uint64_t warm_up = 0;
    double epochs = 3;
    std::uint64_t max_steps = 0;
    std::uint64_t seed = 1;
    std::size_t threads = 0, slices = 0;
    std::size_t sample = 500;
    std::string prompt;
    double temperature = 1;
    std::string log;
    std::string corpus, kernel_root;
    bool full = false, valid = false;
    std::string checkpoint, resume, init_from, from;
    std::string every = "1m";
    std::size_t keep = 0;
    bool extend = false, recover = false;
    RunSettings settings;
};

/// Read the command line. An exit code where there is nothing to run (--help, an error).
inline std::optional<int> parse(int argc, char** argv, Options& o) {
    CLI::App app(
        "Trains a character-level recurrent network on C from the Linux kernel, and lets it write some.",
        "examples/linux_kernel/run");
    const CLI::Range at_least_1(std::int64_t{1}, std::int64_t{1} << 40);
    const CLI::Range at_least_0(std::int64_t{0}, std::int64_t{1} << 40);
    app.option_defaults()->always_capture_default();

    auto* text = app.add_option_group("Text");
    auto* corpus = text->add_option("--corpus", o.corpus, "train on this file (UTF-8)")->type_name("FILE");
    text->add_flag("--full", o.full,
                   "train on kernel/ of Debian's linux-source, 6,206,993 characters, instead of the "
                   "kernel's headers in /usr/include")
        ->excludes(corpus);
    text->add_flag("--valid", o.valid,
                   "hold every tenth file out, and measure the loss on it after each epoch")
        ->excludes(corpus);
    text->add_option("--kernel-root", o.kernel_root, "where the source tree for --full is")->type_name("DIR");

    auto* model = app.add_option_group("Model");
    model->add_option("--cell", o.cell, "lstm, gru, rnn or gru-reset-before, a GRU in its first form")
        ->check(CLI::IsMember({"lstm", "gru", "rnn", "gru-reset-before"}));
    model->add_option("--hidden", o.hidden, "width of a recurrent layer")->check(at_least_1);
    model->add_option("--layers", o.layers, "recurrent layers")->check(at_least_1);
    model->add_option("--dropout", o.dropout, "share of numbers dropped after each recurrent layer");
    model->add_option("--seed", o.seed, "of the first weights, of dropout and of the samples");

    auto* training = app.add_option_group("Training");
    training->add_option("--lanes", o.lanes, "streams of text side by side")->check(at_least_1);
    training->add_option("--window", o.window, "steps of back-propagation through time")->check(at_least_1);
    training
        ->add_option("--truncate", o.truncate,
                     "cut the gradient every so many steps inside a window; 0: never")
        ->check(at_least_0);
    training
        ->add_option("--recipe", o.recipe,
                     "what holds where nothing else is said: the Flux documents' values, or those that the "
                     "library suggests (see charrnn::Recipe)")
        ->check(CLI::IsMember({"flux", "suggested"}));
    training->add_option("--optimiser", o.optimiser, "adam, or adamw: weight decay apart from the gradient")
        ->check(CLI::IsMember({"adam", "adamw"}));
    training->add_option("--lr", o.lr, "the learning rate");
    training
        ->add_option("--schedule", o.schedule,
                     "decay per epoch, cosine to zero at the end of --epochs, or constant")
        ->check(CLI::IsMember({"decay", "cosine", "constant"}));
    training->add_option("--decay", o.decay, "the rate's factor after each epoch, with --schedule decay");
    training->add_option("--warm-up", o.warm_up, "steps in which the rate rises")->check(at_least_0);
    training->add_option("--weight-decay", o.weight_decay, "pull of the weights towards zero");
    training->add_option("--clip", o.clip, "scale gradients down to this norm; 0: never");
    training->add_option("--epochs", o.epochs, "passes over the text")->check(number_from(0));
    training->add_option("--max-steps", o.max_steps, "stop after so many steps instead; 0: count epochs")
        ->check(at_least_0);
    training->add_option("--threads", o.threads, "0: one a processor")->check(at_least_0);
    training->add_option("--slices", o.slices, "groups of lanes side by side; 0: as many as threads")
        ->check(at_least_0);
    training->add_option("--log", o.log, "write a row a step to this CSV file")->type_name("FILE");

    auto* writing = app.add_option_group("Writing");
    writing->add_option("--sample", o.sample, "characters to write before, during and after; 0: none")
        ->check(at_least_0);
    writing->add_option("--prompt", o.prompt, "text to begin with");
    writing->add_option("--temperature", o.temperature, "below 1: safer, above: wilder; 0: most likely only")
        ->check(number_from(0));

    auto* saving = app.add_option_group("Saving");
    saving
        ->add_option("--checkpoint", o.checkpoint,
                     "keep the newest state of the run in this file; load it in Python, or resume")
        ->type_name("FILE");
    saving->add_option("--every", o.every, "save after so many steps, or so long: 500, 30s, 5m");
    saving
        ->add_option(
            "--keep", o.keep,
            "keep the last so many saves and the best beside it: NAME-step000001500-loss1.2345.safetensors")
        ->check(at_least_0);
    saving->add_flag(
        "--recover", o.recover,
        "when training diverges, go back to the last good state, halve the learning rate, go on");
    auto* resume =
        saving
            ->add_option("--resume", o.resume,
                         "go on with this run, with its settings; --max-steps and --epochs count from its "
                         "beginning. Saves there too, if --checkpoint does not say otherwise")
            ->type_name("FILE");
    auto* init = saving->add_option("--init-from", o.init_from, "begin a new run with this file's model")
                     ->type_name("FILE")
                     ->excludes(resume);
    for (const char* of_model : {"--cell", "--hidden", "--layers", "--dropout"})
        app.get_option(of_model)->excludes(init);
    saving
        ->add_flag("--extend", o.extend,
                   "add the text's characters that the model of --init-from does not know")
        ->needs(init);
    saving->add_option("--from", o.from, "train nothing: let this file's model write --sample characters")
        ->type_name("FILE")
        ->excludes(resume)
        ->excludes(init);

    try {
        app.parse(argc, argv);
        save_interval(o.every);
        if (o.resume.empty() && o.recipe == "suggested") {
            const charrnn::Recipe recipe;
            const std::pair<const char*, std::string> values[] = {
                {"--epochs", CLI::detail::to_string(recipe.epochs)},
                {"--optimiser", "adamw"},
                {"--lr", CLI::detail::to_string(recipe.lr)},
                {"--schedule", "cosine"},
                {"--warm-up", CLI::detail::to_string(recipe.warm_up)},
                {"--clip", CLI::detail::to_string(recipe.clip)},
                {"--dropout", CLI::detail::to_string(recipe.dropout)},
                {"--weight-decay", CLI::detail::to_string(recipe.weight_decay)}};
            for (const auto& [name, value] : values) {
                CLI::Option* option = app.get_option(name);
                if (option->count() > 0) continue;
                option->add_result(value);
                option->run_callback();
            }
        }
        const bool decay = app.get_option("--decay")->count() > 0;
        using Names = std::vector<std::string>;
        o.settings =
            run_settings(app,
                         o.init_from.empty() ? Names{"--cell", "--hidden", "--layers", "--dropout", "--seed"}
                                             : Names{"--seed"},
                         {"--corpus", "--full", "--valid", "--kernel-root", "--lanes", "--window",
                          "--truncate", "--lr", "--decay", "--clip", "--slices", "--schedule", "--optimiser",
                          "--warm-up", "--weight-decay", "--epochs"},
                         o.resume);
        if (o.full && !o.corpus.empty())
            throw charrnn::value_error("--full, --corpus " + o.corpus + ": the run in " + o.resume +
                                       " has only one of the two, and it cannot go on with the other");
        check_holds("--decay", decay, "--schedule", "decay", o.schedule);
        if (o.checkpoint.empty()) o.checkpoint = o.resume;
        check_apart({{"--corpus", o.corpus}, {"--checkpoint", o.checkpoint}, {"--log", o.log}});
        if (!o.checkpoint.empty()) check_folder(o.checkpoint);
        if (o.keep > 0 && o.checkpoint.empty())
            throw charrnn::value_error("--keep: expected --checkpoint FILE, beside which to keep them");
    } catch (const CLI::ParseError& e) {
        return app.exit(e) == 0 ? 0 : 2;
    }
    return std::nullopt;
}

/// The text to train on, the one held out (empty if none), and a line that says what they are.
struct Texts {
    charrnn::Text train, held_out;
    std::string description;
};

inline Texts read_corpus(const Options& o) {
    if (!o.corpus.empty()) return {charrnn::read_text(o.corpus), {}, o.corpus};
    if (o.full && o.kernel_root.empty())
        throw charrnn::value_error(
            "--full: expected --kernel-root DIR, a Linux source tree; examples/linux_kernel/run "
            "fetches one");
    const corpus::Corpus c =
        o.full ? corpus::read_full(o.kernel_root, o.valid) : corpus::read_headers(o.valid);
    std::string description =
        std::to_string(c.train_files) + " files of the Linux kernel" + (o.full ? "'s kernel/" : "'s headers");
    if (o.valid) description += ", " + std::to_string(c.valid_files) + " more held out";
    return {charrnn::Text::from_string(c.train), charrnn::Text::from_string(c.valid), description};
}
