// Trains a two-layer LSTM on Shakespeare, read as bytes, and saves it; another process loads it and writes.

#include <CLI/CLI.hpp>
#include <charrnn/charrnn.hpp>
#include <iostream>

using namespace charrnn;
using namespace std::chrono_literals;

struct Options {
    std::string corpus, model = "shakespeare.safetensors", prompt;
    bool write = false;
    std::size_t hidden = 128, lanes = 50, window = 50, threads = 0, length = 1000;
    double lr = 0.01, epochs = 1, temperature = 1;
    std::uint64_t seed = 1;
};

static std::optional<int> parse(int argc, char** argv, Options& o) {
    CLI::App app("Trains an LSTM on Shakespeare, saves it, and lets it write.", "examples/shakespeare/run");
    const CLI::Range at_least_1(std::int64_t{1}, std::int64_t{1} << 40);
    const CLI::Range at_least_0(std::int64_t{0}, std::int64_t{1} << 40);
    app.option_defaults()->always_capture_default();
    app.add_option("--corpus", o.corpus, "the text, read as bytes")->type_name("FILE");
    app.add_option("--model", o.model, "where the model is kept")->type_name("FILE");
    app.add_flag("--write", o.write, "train nothing: load the model, and write");
    app.add_option("--hidden", o.hidden, "width of the two layers")->check(at_least_1);
    app.add_option("--lanes", o.lanes, "streams of text side by side")->check(at_least_1);
    app.add_option("--window", o.window, "steps of back-propagation through time")->check(at_least_1);
    app.add_option("--lr", o.lr, "Adam's learning rate");
    app.add_option("--epochs", o.epochs, "passes over the text")->check(CLI::NonNegativeNumber);
    app.add_option("--seed", o.seed, "of the first weights and of what is written");
    app.add_option("--threads", o.threads, "0: one a processor")->check(at_least_0);
    app.add_option("--length", o.length, "characters to write")->check(at_least_0);
    app.add_option("--prompt", o.prompt, "text to begin with");
    app.add_option("--temperature", o.temperature, "below 1: safer, above: wilder; 0: most likely only")
        ->check(CLI::NonNegativeNumber);
    try {
        app.parse(argc, argv);
        if (o.corpus.empty() && !o.write) throw CLI::RequiredError("--corpus FILE or --write");
    } catch (const CLI::ParseError& e) {
        return app.exit(e) == 0 ? 0 : 2;
    }
    return std::nullopt;
}

static void train(const Options& o) {
    const Text text = read_text(o.corpus, Encoding::bytes);
    const Alphabet alphabet(text, U'\v');
    const Batches batches(text, alphabet, {.lanes = o.lanes, .window = o.window});
    const std::size_t V = alphabet.size(), H = o.hidden;
    Random random(o.seed);
    Chain model{LSTM(V, H, random), LSTM(H, H, random), Dense(H, V, random), softmax};
    std::cout << with_commas(text.size()) << " bytes; " << alphabet << "\n"
              << batches << "\n"
              << summary(model) << "\n";

    Trainer trainer(model, Adam(o.lr), batches, {.threads = o.threads});
    const auto show = [&](const Progress& p) {
        const double loss = probe(model, batches);
        std::printf("step %llu: probe %.2f = %.3f nats a byte\n", static_cast<unsigned long long>(p.step),
                    loss * static_cast<double>(o.window), loss);
        std::fflush(stdout);
    };
    show(trainer.progress());
    trainer.every(30s, show);
    InterruptGuard guard;
    trainer.stop_when(interrupted);
    trainer.run(epochs(o.epochs));
    show(trainer.progress());
    save(o.model, model, alphabet);
    std::cout << trainer.progress() << "\nSaved in " << o.model << ", which --write reads\n";
}

static void write(const Options& o) {
    const auto [model, alphabet] = load_model(o.model);
    std::cout << sample(model, alphabet, o.length,
                        {.prompt = o.prompt, .temperature = o.temperature, .seed = o.seed})
              << '\n';
}

int main(int argc, char** argv) {
    try {
        Options options;
        if (const std::optional<int> code = parse(argc, argv, options)) return *code;
        options.write ? write(options) : train(options);
    } catch (const std::exception& e) {
        std::cerr << "shakespeare: " << e.what() << '\n';
        return 1;
    }
}
