// Three cells on the same text, as the Lux tutorial trains them: windows in a random order, each read from a zero state,
// one in twenty of them held out, and the loss on those after each epoch.

#include <CLI/CLI.hpp>
#include <charrnn/charrnn.hpp>
#include <iostream>

using namespace charrnn;

struct Options {
    std::string corpus;
    std::vector<std::string> cells{"rnn", "lstm", "gru"};
    std::size_t hidden = 128, lanes = 32, window = 32, threads = 0, length = 500;
    double lr = 0.01, clip = 0, held_out = 0.05;
    std::uint64_t epochs = 3, seed = 1;
};

static std::optional<int> parse(int argc, char** argv, Options& o) {
    CLI::App app("Trains RNN, LSTM and GRU on Shakespeare, and compares them.",
                 "examples/lux_shakespeare/run");
    const CLI::Range at_least_1(std::int64_t{1}, std::int64_t{1} << 40);
    const CLI::Range at_least_0(std::int64_t{0}, std::int64_t{1} << 40);
    app.option_defaults()->always_capture_default();
    app.add_option("--corpus", o.corpus, "the text (UTF-8)")->required()->type_name("FILE");
    app.add_option("--cell", o.cells, "which of them")
        ->check(CLI::IsMember({"rnn", "lstm", "gru"}))
        ->delimiter(',');
    app.add_option("--hidden", o.hidden, "width of the two layers")->check(at_least_1);
    app.add_option("--lanes", o.lanes, "sequences in a batch")->check(at_least_1);
    app.add_option("--window", o.window, "their length")->check(at_least_1);
    app.add_option("--lr", o.lr, "Adam's learning rate");
    app.add_option("--clip", o.clip, "scale gradients down to this norm; 0: never");
    app.add_option("--held-out", o.held_out, "share of the windows to measure on");
    app.add_option("--epochs", o.epochs, "passes over the text")->check(at_least_1);
    app.add_option("--seed", o.seed, "of the order, the first weights and the sample");
    app.add_option("--threads", o.threads, "0: one a processor")->check(at_least_0);
    app.add_option("--length", o.length, "characters to write")->check(at_least_0);
    try {
        app.parse(argc, argv);
    } catch (const CLI::ParseError& e) {
        return app.exit(e) == 0 ? 0 : 2;
    }
    return std::nullopt;
}

static void run(const Options& o) {
    const Text text = read_text(o.corpus);
    const Alphabet alphabet(text, U'\v');
    const Batches batches(text, alphabet, {.lanes = o.lanes, .window = o.window});
    // Not as a structured binding: clang 14 cannot capture one.
    const auto split = shuffled_windows(batches, o.held_out, o.seed);
    const auto& training = split.first;
    const auto& held_out = split.second;
    std::cout << with_commas(text.size()) << " characters; " << alphabet << "\n"
              << batches << ", " << with_commas(held_out.windows()) << " of them held out\n";

    InterruptGuard guard;
    std::string table = "| cell | epoch | training | held out | training took |\n|---|---|---|---|---|\n";
    for (const std::string& cell : o.cells) {
        Random random(o.seed);
        Model<> model = char_rnn(cell, alphabet.size(), o.hidden, 2, random);
        std::cout << "\n" << summary(model) << "\n";
        Trainer trainer(model, Adam(o.lr), training, {.clip = o.clip, .threads = o.threads});
        trainer.every_epoch([&](const Progress& p) {
            char line[120];
            std::snprintf(line, sizeof line, "| %s | %llu | %.3f | %.3f | %.1f s |\n", cell.c_str(),
                          static_cast<unsigned long long>(p.epoch), p.mean_loss,
                          evaluate(model, held_out, o.threads), p.seconds);
            table += line;
            std::cout << line << std::flush;
        });
        trainer.stop_when(interrupted);
        trainer.run(epochs(static_cast<double>(o.epochs)));
        std::cout << sample(model, alphabet, o.length, {.seed = o.seed}) << "\n";
        if (interrupted()) break;
    }
    std::cout << "\n" << table;
}

int main(int argc, char** argv) {
    try {
        Options options;
        if (const std::optional<int> code = parse(argc, argv, options)) return *code;
        run(options);
    } catch (const std::exception& e) {
        std::cerr << "lux_shakespeare: " << e.what() << '\n';
        return 1;
    }
}
