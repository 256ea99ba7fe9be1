// Character models for any text: train one, let it write, score other texts with it, look into its file.

#include <CLI/CLI.hpp>
#include <charrnn/charrnn.hpp>
#include <cmath>
#include <iostream>
#include <optional>

#include "options.hpp"

using namespace charrnn;
using namespace std::chrono_literals;

static Schedule schedule(const Options& o) {
    const Schedule shape = o.schedule == "cosine"  ? cosine(epochs(o.epochs))
                           : o.schedule == "decay" ? step_decay(o.decay, epochs(1))
                                                   : constant(1);
    return o.warm_up > 0 ? warm_up(steps(o.warm_up)) * shape : shape;
}

static LoadedModel<> make_model(const Options& o, const Alphabet& alphabet) {
    Random random(o.seed);
    if (!o.resume.empty()) return load_run(o.resume, alphabet);
    if (!o.init_from.empty())
        return init_from(o.init_from, alphabet, o.extend ? NewCharacters::extend : NewCharacters::refuse,
                         random);
    return {char_rnn(o.cell, alphabet.size(), o.hidden, o.layers, random,
                     {.embedding = o.embedding, .dropout = o.dropout}),
            alphabet};
}

template <class Optimiser>
static void train(const Options& o, Optimiser optimiser) {
    // A model that is there already says how it reads.
    const std::string& old = o.resume.empty() ? o.init_from : o.resume;
    const Encoding encoding = o.bytes       ? Encoding::bytes
                              : old.empty() ? Encoding::utf8
                                            : load_model(old).alphabet.encoding();
    const Text text = read_text(o.text, encoding);
    LoadedModel<> start = make_model(o, Alphabet(text));
    Model<>& model = start.model;
    const Alphabet& alphabet = start.alphabet;
    const auto held_out = static_cast<std::size_t>(o.held_out * static_cast<double>(text.size()));
    const Batches batches(text.head(text.size() - held_out), alphabet,
                          {.lanes = o.lanes, .window = o.window});
    std::optional<Batches> validation;
    if (held_out > 1)
        validation.emplace(text.tail(held_out), alphabet,
                           BatchOptions{.lanes = lanes_for(held_out, o.lanes), .window = o.window});
    if (o.patience > 0 && !validation)
        throw value_error("--patience: nothing is held out to measure on, expected a larger --held-out");
    std::cout << with_commas(text.size()) << " characters; " << alphabet << "\n"
              << batches << "\n"
              << summary(model) << "\n\n";

    Trainer trainer(model, optimiser, batches,
                    {.clip = o.clip,
                     .clip_value = o.clip_value,
                     .threads = o.threads,
                     .seed = o.seed,
                     .schedule = schedule(o)});
    std::optional<Resumed> resumed;
    if (!o.resume.empty()) resumed = resume(o.resume, trainer);
    if (resumed) {
        if (o.settings.changed.count("--lr") > 0) change_lr(o.lr, trainer, *resumed);
        for (const std::string& difference : resumed->differences) std::cout << difference << '\n';
    }

    std::optional<CsvLog> log;
    if (!o.log.empty() && resumed && resumed->extra.log)
        log.emplace(o.log, *resumed->extra.log);
    else if (!o.log.empty())
        log.emplace(o.log);
    Saver saver(o.model_file, trainer, alphabet, save_interval(o.every));
    if (resumed) saver.extra = resumed->extra;
    saver.extra.notes = o.settings.all;
    begin_to_measure(saver.extra, resumed);
    if (log) saver.log = &*log;
    std::optional<Checkpoints> kept;
    if (o.keep > 0) {
        kept.emplace(kept_of(o.model_file, o.keep, o.resume.empty()));
        saver.kept = &*kept;
    }
    ProgressBar bar;
    std::optional<EarlyStopping> stopping;
    if (o.patience > 0) stopping.emplace(o.patience);
    const std::string waited = "epochs without a better one";
    if (stopping && resumed && resumed->extra.best_loss)
        if (const auto note = resumed->extra.notes.find(waited); note != resumed->extra.notes.end())
            stopping->restore({.best = *resumed->extra.best_loss, .waited = std::stoul(note->second)});
    if (stopping) saver.extra.notes[waited] = std::to_string(stopping->state().waited);

    const auto measure = [&] {
        if (!validation) return;
        const double loss = evaluate(model, *validation, o.threads, interrupted);
        if (std::isnan(loss)) return;  // who interrupts does not wait: it is measured when the run goes on
        std::printf("  held out: %.4f nats", loss);
        if (log) log->validation(loss);
        saver.validation(loss);
        saver.extra.notes[measured_at] = std::to_string(trainer.state().step);
        if (!stopping) return;
        stopping->add(loss);
        saver.extra.notes[waited] = std::to_string(stopping->state().waited);
    };
    trainer.every_step([&](const Progress& p) {
        if (log) log->step(p);
    });
    trainer.every(bar.interval(), [&](const Progress& p) { bar(p); });
    trainer.every_epoch([&](const Progress& p) {
        bar.clear();
        std::cout << p;
        measure();
        std::cout << '\n';
    });
    trainer.after_step([&](const Progress&) { saver.save_if_due(); });
    InterruptGuard guard;
    if (resumed && left_to_measure(*resumed, trainer.progress())) {
        std::cout << trainer.progress();
        measure();
        std::cout << '\n';
    }
    trainer.stop_when([&] { return interrupted() || (stopping && stopping->reached()); });
    const Budget rest = stopping && stopping->reached() ? steps(0) : trainer.rest(epochs(o.epochs));
    std::optional<Recovery<decltype(trainer)>> recovery;
    if (o.recover) {
        recovery.emplace(trainer);
        recovery->on_divergence([&](const Divergence& d) {
            bar.clear();
            std::cout << d.reason << "; back to step " << d.back << ", learning rate " << d.learning_rate
                      << '\n';
            if (log) log->rewind(d.back);
            (void)saver.save();
        });
    }
    if (rest.steps == 0)
        std::cout << "Nothing is left to do: "
                  << (stopping && stopping->reached() ? "--patience has ended the run"
                                                      : "all --epochs are done")
                  << '\n';
    try {
        if (recovery)
            recovery->run(rest);
        else
            trainer.run(rest);
    } catch (...) {  // the log's disk is full, say: what was learnt is kept
        bar.clear();
        (void)saver.save();
        throw;
    }
    bar.clear();
    if (!saver.save()) throw io_error("the model was not saved");
    if (log) log->finish();
    std::cout << trainer.progress() << "\n"
              << (interrupted() ? "Stopped; go on with --resume " : "Saved in ") << o.model_file << '\n';
}

static void train(const Options& o) {
    if (o.optimiser == "adam") return train(o, Adam(o.lr, 0.9, 0.999, 1e-8, o.weight_decay));
    if (o.optimiser == "adamw") return train(o, AdamW(o.lr, o.weight_decay));
    if (o.optimiser == "rmsprop") return train(o, RMSProp(o.lr, o.rho, 1e-8, o.weight_decay));
    train(o, SGD(o.lr, {.momentum = 0.9, .weight_decay = o.weight_decay}));
}

static void sample(const Options& o) {
    const auto [model, alphabet] = load_model(o.model_file);
    sample_to(model, alphabet, o.length,
              {.prompt = o.prompt,
               .temperature = o.temperature,
               .top_k = o.top_k,
               .top_p = o.top_p,
               .seed = o.seed,
               .threads = o.writers,
               .unknown = o.skip ? Unknown::skip() : Unknown::error()},
              [](std::string_view s) { std::cout << s << std::flush; });
    std::cout << '\n';
}

static void score(const Options& o) {
    const auto [model, alphabet] = load_model(o.model_file);
    const Text text = read_text(o.text, alphabet.encoding());
    const Ids ids = alphabet.encode(text, o.skip ? Unknown::skip() : Unknown::error());
    if (ids.size() < text.size())
        std::cout << with_commas(text.size() - ids.size()) << " unknown characters left out\n";
    // One lane: every character is predicted from all of the text before it.
    const double loss =
        evaluate(model, Batches(ids, alphabet.size(), {}, {.lanes = 1, .window = 100}), o.threads);
    std::printf("%s characters predicted: %.4f nats = %.4f bits a character, perplexity %.3f\n",
                with_commas(ids.size() - 1).c_str(), loss, loss / std::log(2.0), std::exp(loss));
}

static void inspect(const Options& o) {
    const TensorFile file = TensorFile::read(o.model_file);
    const auto [model, alphabet] = load_model<float>(file);
    std::cout << summary(model) << '\n' << alphabet << "\n\n";
    for (const auto& [key, value] : file.metadata())
        std::cout << key << ": " << (value.size() > 100 ? value.substr(0, 100) + "..." : value) << '\n';
}

int main(int argc, char** argv) {
    try {
        CLI::App app("Character-level recurrent language models: train, sample, score, inspect.", "charrnn");
        Options options;
        if (const std::optional<int> code = parse(argc, argv, app, options)) return *code;
        Registry<>::instance().add_cell<GRUResetBeforeCell>();
        const std::string command = options.command->get_name();
        if (command == "train") train(options);
        if (command == "sample") sample(options);
        if (command == "score") score(options);
        if (command == "inspect") inspect(options);
        check_output();
    } catch (const std::exception& e) {
        std::cerr << "charrnn: " << e.what() << '\n';
        return 1;
    }
}
