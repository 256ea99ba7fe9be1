#pragma once

// The command line: what there is to choose, and what one gets without choosing.

#include <CLI/CLI.hpp>
#include <charrnn/charrnn.hpp>
#include <cstdint>
#include <cstdlib>
#include <optional>
#include <string>
#include <vector>

#include "../run_settings.hpp"

struct Options {
    std::string text, model_file = "model.safetensors";
    bool bytes = false;

    std::string cell = "lstm";
    std::size_t hidden = 128, layers = 2, embedding = 0;
    charrnn::Recipe recipe;
    double dropout = recipe.dropout;
    std::string init_from, resume;
    bool extend = false;

    std::string optimiser = "adam", schedule = "cosine";
    double lr = recipe.lr, decay = 0.97, weight_decay = recipe.weight_decay, clip = recipe.clip,
           clip_value = 0, rho = 0.99;
    std::uint64_t warm_up = recipe.warm_up;
    double epochs = recipe.epochs;
    std::size_t lanes = 50, window = 50, threads = 0, writers = 1, patience = 0;
    double held_out = 0.05;
    std::uint64_t seed = 1;
    std::string every = "1m";
    std::size_t keep = 0;
    bool recover = false;
    RunSettings settings;
    std::string log;

    std::size_t length = 1000, top_k = 0;
    double temperature = 1, top_p = 1;
    std::string prompt;
    bool skip = false;

    CLI::App* command = nullptr;
};

inline std::optional<int> parse(int argc, char** argv, CLI::App& app, Options& o) {
    const CLI::Range one(std::int64_t{1}, std::int64_t{1} << 40),
        none(std::int64_t{0}, std::int64_t{1} << 40);
    const auto with_defaults = [](CLI::App* a) {
        a->option_defaults()->always_capture_default();
        return a;
    };
    app.require_subcommand(1);
    app.footer(
        "A first session:\n"
        "  examples/charrnn/run train input.txt     # writes model.safetensors, with a progress bar\n"
        "  examples/charrnn/run sample --length 500 --temperature 0.7\n"
        "  examples/charrnn/run score other.txt     # how well the model predicts another text\n"
        "  examples/charrnn/run COMMAND --help      # all that can be chosen");

    auto* train =
        with_defaults(app.add_subcommand("train", "Train a model on a text, and keep it in a file."));
    train->add_option("text", o.text, "the text")->required()->type_name("FILE");
    train
        ->add_option(
            "-o,--model", o.model_file,
            "where the model and its run are kept; with --resume in that file, if nothing else is said")
        ->type_name("FILE");
    train->add_flag("--bytes", o.bytes, "read bytes instead of UTF-8");
    auto* model = train->add_option_group("Model");
    auto* init =
        model->add_option("--init-from", o.init_from, "begin with this file's model")->type_name("FILE");
    model->add_option("--cell", o.cell, "lstm, gru, rnn or gru-reset-before, a GRU in its first form")
        ->check(CLI::IsMember({"lstm", "gru", "rnn", "gru-reset-before"}))
        ->excludes(init);
    model->add_option("--hidden", o.hidden, "width of a recurrent layer")->check(one)->excludes(init);
    model->add_option("--layers", o.layers, "recurrent layers")->check(one)->excludes(init);
    model->add_option("--embedding", o.embedding, "width of an embedding before them; 0: none")
        ->check(none)
        ->excludes(init);
    model->add_option("--dropout", o.dropout, "share of numbers dropped after each recurrent layer")
        ->excludes(init);
    model->add_flag("--extend", o.extend, "let --init-from learn characters that it does not know")
        ->needs(init);
    model
        ->add_option("--resume", o.resume,
                     "go on with the run in this file, with its settings where none are given (--log, "
                     "--keep, --every, "
                     "--threads and --recover are not kept); --epochs counts from its beginning")
        ->type_name("FILE")
        ->excludes(init);
    auto* training = train->add_option_group("Training");
    training->add_option("--epochs", o.epochs, "passes over the text")->check(number_from(0));
    training
        ->add_option("--optimiser", o.optimiser,
                     "adam, adamw, rmsprop, or sgd (momentum 0.9; it wants a higher --lr)")
        ->check(CLI::IsMember({"adam", "adamw", "rmsprop", "sgd"}));
    training->add_option("--lr", o.lr, "learning rate");
    training->add_option("--schedule", o.schedule, "cosine to zero, decay per epoch, or constant")
        ->check(CLI::IsMember({"cosine", "decay", "constant"}));
    training->add_option("--decay", o.decay, "the factor after each epoch, with --schedule decay")
        ->check([](const std::string& text) {
            return std::strtod(text.c_str(), nullptr) > 0 ? ""
                                                          : "is " + text + ", expected a positive factor";
        });
    training->add_option("--warm-up", o.warm_up, "steps in which the rate rises")->check(none);
    training->add_option("--weight-decay", o.weight_decay,
                         "pull of the weights towards zero: part of the gradient, with adamw apart from it");
    training->add_option("--rho", o.rho, "the decay of --optimiser rmsprop's mean square");
    training->add_option("--clip", o.clip, "scale gradients down to this norm; 0: never");
    training->add_option("--clip-value", o.clip_value,
                         "then clip each number to plus or minus this; 0: never");
    training->add_option("--lanes", o.lanes, "streams of text side by side")->check(one);
    training->add_option("--window", o.window, "steps of back-propagation through time")->check(one);
    training->add_option("--held-out", o.held_out, "share of the text's end to measure on after each epoch")
        ->check(number_from(0, 0.9));
    training
        ->add_option("--patience", o.patience,
                     "stop after so many epochs without a better one; 0: never. The last state is saved; "
                     "with --keep the best too")
        ->check(none);
    training->add_option("--seed", o.seed, "of all that is random");
    training->add_option("--threads", o.threads, "0: one a processor")->check(none);
    training->add_option("--every", o.every, "save after so many steps, or so long: 500, 30s, 5m");
    training->add_option("--keep", o.keep, "keep the last so many saves and the best beside the model")
        ->check(none);
    training->add_flag("--recover", o.recover,
                       "when training diverges, go back, halve the learning rate, and go on");
    training->add_option("--log", o.log, "write a row a step to this CSV file")->type_name("FILE");

    auto* sample = with_defaults(app.add_subcommand("sample", "Let a model write."));
    sample->add_option("model", o.model_file, "the model")->type_name("FILE");
    sample->add_option("--length", o.length, "characters")->check(none);
    sample->add_option("--prompt", o.prompt, "text to begin with (primetext)");
    sample->add_flag("--skip-unknown", o.skip, "leave out what the model does not know, instead of an error");
    sample->add_option("--temperature", o.temperature, "below 1: safer, above: wilder; 0: most likely only")
        ->check(number_from(0));
    sample->add_option("--top-k", o.top_k, "only the k most likely characters; 0: all")->check(none);
    sample->add_option("--top-p", o.top_p, "only the most likely that together have this probability");
    sample->add_option("--seed", o.seed, "the same seed writes the same text");
    sample->add_option("--threads", o.writers, "0: one a processor")->check(none);

    auto* score =
        with_defaults(app.add_subcommand("score", "Nats and bits a character of a text under a model."));
    score->add_option("text", o.text, "the text")->required()->type_name("FILE");
    score->add_option("-m,--model", o.model_file, "the model")->type_name("FILE");
    score->add_flag("--skip-unknown", o.skip, "leave out what the model does not know, instead of an error");
    score->add_option("--threads", o.threads, "0: one a processor")->check(none);

    auto* inspect = with_defaults(app.add_subcommand("inspect", "Say what a file holds."));
    inspect->add_option("model", o.model_file, "the model")->type_name("FILE");

    try {
        app.parse(argc, argv);
        if (train->parsed()) {
            save_interval(o.every);
            const std::vector<std::string> of_model{"--cell", "--hidden", "--layers", "--embedding",
                                                    "--dropout"};
            const bool decay = train->get_option("--decay")->count() > 0,
                       rho = train->get_option("--rho")->count() > 0;
            o.settings = run_settings(*train, o.init_from.empty() ? of_model : std::vector<std::string>{},
                                      {"--optimiser", "--lr", "--schedule", "--decay", "--warm-up",
                                       "--weight-decay", "--rho", "--clip", "--clip-value", "--lanes",
                                       "--window", "--held-out", "--patience", "--epochs", "--seed"},
                                      o.resume);
            if (!o.resume.empty() && train->get_option("--model")->count() == 0) o.model_file = o.resume;
            check_holds("--decay", decay, "--schedule", "decay", o.schedule);
            check_holds("--rho", rho, "--optimiser", "rmsprop", o.optimiser);
            check_apart({{"the text", o.text}, {"--model", o.model_file}, {"--log", o.log}});
            check_folder(o.model_file);
        }
    } catch (const CLI::ParseError& e) {
        return app.exit(e) == 0 ? 0 : 2;
    }
    o.command = app.get_subcommands().front();
    return std::nullopt;
}
