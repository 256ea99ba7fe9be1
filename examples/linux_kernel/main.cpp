// Trains a character model on C from the Linux kernel, and lets it write some.

#include <CLI/CLI.hpp>
#include <charrnn/charrnn.hpp>
#include <cmath>
#include <iostream>
#include <optional>

#include "corpus.hpp"
#include "options.hpp"

using namespace charrnn;
using namespace std::chrono_literals;

/// Let a saved model write, with nothing else.
static void write(const Options& o) {
    const auto [model, alphabet] = load_model(o.from);
    sample_to(model, alphabet, o.sample, {.prompt = o.prompt, .temperature = o.temperature, .seed = o.seed},
              [](std::string_view s) { std::cout << s; });
    std::cout << '\n';
}

/// The model to begin with, and its alphabet: a new one for the text's, or a saved one.
static LoadedModel<> make_model(const Options& o, const Alphabet& needed) {
    Random random(o.seed);
    if (!o.resume.empty()) return load_run(o.resume, needed);
    if (!o.init_from.empty())
        return init_from(o.init_from, needed, o.extend ? NewCharacters::extend : NewCharacters::refuse,
                         random);
    return {char_rnn(o.cell, needed.size(), o.hidden, o.layers, random, {.dropout = o.dropout}), needed};
}

/// What the learning rate is multiplied by, beside --decay.
static Schedule schedule(const Options& o) {
    const Schedule shape = o.schedule == "cosine" ? cosine(epochs(o.epochs)) : constant(1);
    return o.warm_up > 0 ? warm_up(steps(o.warm_up)) * shape : shape;
}

static int run(const Options& o) {
    // The text, the model and its characters, and windows of the text.
    const auto [text, held_out, description] = read_corpus(o);
    LoadedModel<> start = make_model(o, Alphabet(text, U'\v'));
    Model<>& model = start.model;
    const Alphabet& alphabet = start.alphabet;
    const Batches batches(text, alphabet, {.lanes = o.lanes, .window = o.window});
    const std::size_t V = alphabet.size();

    std::optional<Batches> validation;
    if (!held_out.empty())
        validation.emplace(alphabet.encode(held_out, Unknown::skip()), V, alphabet.stop_id(),
                           BatchOptions{.lanes = lanes_for(held_out.size(), o.lanes), .window = o.window});

    std::cout << description << '\n'
              << with_commas(text.size()) << " characters, " << V - 1 << " different; " << alphabet << '\n'
              << batches << '\n'
              << summary(model) << '\n';

    // The run.
    Trainer trainer(model, Adam(o.lr, 0.9, 0.999, 1e-8, o.weight_decay, o.optimiser == "adamw"), batches,
                    {.clip = o.clip,
                     .decay = o.schedule == "decay" ? o.decay : 1,
                     .truncate = o.truncate,
                     .threads = o.threads,
                     .slices = o.slices,
                     .seed = o.seed,
                     .schedule = schedule(o)});
    std::cout << machine() << ", " << trainer.options().threads << " threads, " << trainer.options().slices
              << " slices\n\n";

    std::optional<Resumed> resumed;
    if (!o.resume.empty()) {
        resumed = resume(o.resume, trainer);
        if (o.settings.changed.count("--lr") > 0) change_lr(o.lr, trainer, *resumed);
        for (const std::string& difference : resumed->differences) std::cout << difference << '\n';
        std::cout << "Resuming after step " << trainer.state().step << ".\n";
    }
    std::optional<CsvLog> log;
    if (!o.log.empty() && resumed && resumed->extra.log)
        log.emplace(o.log, *resumed->extra.log);
    else if (!o.log.empty())
        log.emplace(o.log);
    ProgressBar bar;

    std::optional<Checkpoints> kept;
    std::optional<Saver<decltype(trainer)>> saver;
    if (!o.checkpoint.empty()) {
        saver.emplace(o.checkpoint, trainer, alphabet, save_interval(o.every));
        if (resumed) saver->extra = resumed->extra;
        saver->extra.notes = o.settings.all;
        begin_to_measure(saver->extra, resumed);
        if (log) saver->log = &*log;
        if (o.keep > 0) {
            kept.emplace(kept_of(o.checkpoint, o.keep, o.resume.empty()));
            saver->kept = &*kept;
        }
        trainer.after_step([&](const Progress&) { saver->save_if_due(); });
    }

    const auto show_probe = [&] {
        const double loss = probe(model, batches);
        if (log) log->probe(loss);
        bar.clear();
        std::printf("step %llu: probe %.2f = %.3f nats a character\n",
                    static_cast<unsigned long long>(trainer.progress().step),
                    loss * static_cast<double>(o.window), loss);
    };
    const auto show_validation = [&] {
        if (!validation) return;
        const double loss = evaluate(model, *validation, o.threads, interrupted);
        if (std::isnan(loss)) return;  // who interrupts does not wait: it is measured when the run goes on
        if (log) log->validation(loss);
        if (saver) {
            saver->validation(loss);
            saver->extra.notes[measured_at] = std::to_string(trainer.state().step);
        }
        std::printf("step %llu: validation %.4f nats a character\n",
                    static_cast<unsigned long long>(trainer.progress().step), loss);
    };
    const auto show_sample = [&] {
        if (o.sample == 0) return;
        std::cout << "----\n";
        sample_to(model, alphabet, o.sample,
                  {.prompt = o.prompt, .temperature = o.temperature, .seed = o.seed},
                  [](std::string_view s) { std::cout << s; });
        std::cout << "\n----\n" << std::flush;
    };

    trainer.every_step([&](const Progress& p) {
        if (log) log->step(p);
    });
    trainer.every(bar.interval(), [&](const Progress& p) { bar(p); });
    trainer.every(30s, [&](const Progress&) { show_probe(); });
    trainer.every_epoch([&](const Progress& p) {
        show_probe();
        show_validation();
        if (p.done < 1) show_sample();
    });

    InterruptGuard guard;
    trainer.stop_when(interrupted);

    if (!resumed) {
        if (log) log->step(trainer.progress());
        show_probe();
        show_sample();
    } else if (left_to_measure(*resumed, trainer.progress())) {
        show_validation();
    }
    const Budget rest = trainer.rest(o.max_steps > 0 ? steps(o.max_steps) : epochs(o.epochs));
    std::optional<Recovery<decltype(trainer)>> recovery;
    if (o.recover) {
        recovery.emplace(trainer);
        recovery->on_divergence([&](const Divergence& d) {
            bar.clear();
            std::cout << d.reason << "; back to step " << d.back << ", learning rate " << d.learning_rate
                      << '\n';
            if (log) log->rewind(d.back);
            if (saver) (void)saver->save();
        });
    }
    Stop stop{};
    try {
        stop = recovery ? recovery->run(rest) : trainer.run(rest);
    } catch (...) {  // the log's disk is full, say: what was learnt is kept
        if (saver) (void)saver->save();
        throw;
    }
    // Before what follows is measured: an unbroken run would not have measured it here.
    const bool saved = !saver || saver->save();
    if (trainer.progress().window != 0) show_probe();
    if (trainer.progress().window != 0 && stop == Stop::done) show_validation();
    if (stop == Stop::requested) std::cout << "Stopped.\n";
    std::cout << trainer.progress() << '\n';
    show_sample();
    if (log) log->finish();
    return saved ? 0 : 1;
}

int main(int argc, char** argv) {
    try {
        Options options;
        if (const std::optional<int> code = parse(argc, argv, options)) return *code;
        Registry<>::instance().add_cell<GRUResetBeforeCell>();
        if (options.from.empty()) return run(options);
        write(options);
    } catch (const std::exception& e) {
        std::cerr << "linux_kernel: " << e.what() << '\n';
        return 1;
    }
}
