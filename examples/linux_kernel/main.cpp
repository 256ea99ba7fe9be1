// Trains a character model on C from the Linux kernel, and lets it write some.

#include <CLI/CLI.hpp>
#include <charrnn/charrnn.hpp>
#include <iostream>
#include <optional>

#include "corpus.hpp"
#include "options.hpp"

using namespace charrnn;
using namespace std::chrono_literals;

static void run(const Options& o) {
    // The text, its characters, and windows of it.
    const auto [text, held_out, description] = read_corpus(o);
    const Alphabet alphabet(text, U'\v');
    const Batches batches(text, alphabet, {.lanes = o.lanes, .window = o.window});
    const std::size_t V = alphabet.size();

    std::optional<Batches> validation;
    if (!held_out.empty())
        validation.emplace(alphabet.encode(held_out, Unknown::skip()), V, alphabet.stop_id(),
                           BatchOptions{.lanes = o.lanes, .window = o.window});

    // The model.
    Random random(o.seed);
    Model<> model = char_rnn(o.cell, V, o.hidden, o.layers, random);

    std::cout << description << '\n'
              << with_commas(text.size()) << " characters, " << V - 1 << " different; " << alphabet << '\n'
              << batches << '\n'
              << summary(model) << '\n';

    // The run.
    Trainer trainer(
        model, Adam(o.lr), batches,
        {.clip = o.clip, .decay = o.decay, .truncate = o.truncate, .threads = o.threads, .slices = o.slices});
    std::cout << machine() << ", " << trainer.options().threads << " threads, " << trainer.options().slices
              << " slices\n\n";

    std::optional<CsvLog> log;
    if (!o.log.empty()) log.emplace(o.log);
    ProgressBar bar;

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
        const double loss = evaluate(model, *validation);
        if (log) log->validation(loss);
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

    if (log) log->step(trainer.progress());
    show_probe();
    show_sample();
    const Stop stop = trainer.run(o.max_steps > 0 ? steps(o.max_steps) : epochs(o.epochs));
    if (trainer.progress().window != 0) show_probe(), show_validation();
    if (stop == Stop::requested) std::cout << "Stopped.\n";
    std::cout << trainer.progress() << '\n';
    show_sample();
    if (log) log->finish();
}

int main(int argc, char** argv) {
    try {
        Options options;
        if (const std::optional<int> code = parse(argc, argv, options)) return *code;
        run(options);
    } catch (const std::exception& e) {
        std::cerr << "linux_kernel: " << e.what() << '\n';
        return 1;
    }
}
