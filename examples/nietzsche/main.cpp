// The character models of the fastai course, from three characters side by side to a two-layer LSTM, trained on
// Nietzsche's text as the course did, and a table of their losses beside the course's.

#include <algorithm>
#include <charrnn/charrnn.hpp>
#include <filesystem>
#include <iostream>
#include <map>

#include "ladder.hpp"
#include "options.hpp"

using namespace charrnn;

/// Train a rung, and add a line to the table at each of its marks and at the end. Whether it is saved where it is to be.
/// Errors: value_error where the run that is to go on is one of another rung, or width
template <BatchSource S, BatchSource V>
static bool train(const Options& o, const Rung& rung, const Alphabet& alphabet, const S& training,
                  const V& validation, std::string& table) {
    Random random(o.seed);
    const std::size_t H = o.hidden > 0 ? o.hidden : rung.hidden;
    const bool goes_on = !o.checkpoint.empty() && std::filesystem::exists(o.checkpoint);
    const std::map<std::string, std::string> of_model{{"--rung", rung.name}, {"--hidden", std::to_string(H)}};
    if (goes_on)
        for (const auto& [option, before] : read_run_extra(TensorFile::read(o.checkpoint)).notes)
            if (const auto now = of_model.find(option); now != of_model.end() && now->second != before)
                throw value_error(option + " " + now->second + ": the run in " + o.checkpoint + " has " +
                                  before);
    Model<> model = goes_on ? load_model(o.checkpoint).model : rung.model(alphabet.size(), H, random);
    std::cout << "\n" << rung.name << ", the course's " << rung.course << "\n" << summary(model) << "\n";

    Trainer trainer(model, Adam(rung.lr, 0.9, 0.999, 1e-8, rung.weight_decay), training,
                    {.clip = rung.clip, .threads = o.threads, .seed = o.seed, .schedule = rung.schedule});
    Saver saver(o.checkpoint, trainer, alphabet);
    if (goes_on) {
        const Resumed resumed = resume(o.checkpoint, trainer);
        saver.extra = resumed.extra;
        for (const std::string& difference : resumed.differences) std::cout << difference << '\n';
    }
    saver.extra.notes = of_model;

    const double length = o.epochs > 0 ? o.epochs : rung.marks.back().epochs;
    trainer.every_epoch([&](const Progress& p) {
        const double loss = evaluate(model, validation, o.threads);
        std::printf("epoch %llu  training %.4f  validation %.4f  %.1f s\n",
                    static_cast<unsigned long long>(p.epoch), p.mean_loss, loss, p.seconds);
        std::fflush(stdout);
        const auto now = static_cast<double>(p.epoch);
        const auto mark = std::find_if(rung.marks.begin(), rung.marks.end(),
                                       [&](const Mark& m) { return m.epochs == now; });
        if (mark != rung.marks.end() || now == length) {
            const double course = mark != rung.marks.end() ? mark->course : 0;
            char line[200];
            std::snprintf(line, sizeof line, "| %s | %s | %.0f | %s | %.3f | %.0f s |\n", rung.name.c_str(),
                          rung.course.c_str(), now,
                          course > 0 ? std::to_string(course).substr(0, 5).c_str() : "–", loss, p.seconds);
            table += line;
        }
        saver.validation(loss);
    });
    trainer.every_cycle([&](const Progress& p) {
        if (!o.save.empty())
            save(o.save + "/" + rung.name + "_cycle_" + std::to_string(p.cycle) + ".safetensors", model,
                 alphabet);
    });
    trainer.after_step([&](const Progress&) {
        if (!o.checkpoint.empty()) saver.save_if_due();
    });
    InterruptGuard guard;
    trainer.stop_when(interrupted);
    trainer.run(trainer.rest(epochs(length)));
    const bool saved = o.checkpoint.empty() || saver.save();
    if (!o.save.empty()) save(o.save + "/" + rung.name + ".safetensors", model, alphabet);
    std::cout << trainer.progress() << "\n";
    if (o.sample == 0) return saved;

    // A model of rows has only ever seen so many characters: they slide along. The others go on from state to state.
    if (rung.rows.length > 0) {
        for (const char* prompt : {"for thos", "part of ", "queens a"})
            std::cout << get_next_n(model, alphabet, 40,
                                    {.prompt = std::string(prompt).substr(8 - rung.rows.length),
                                     .temperature = 0,
                                     .unknown = Unknown::skip()})
                      << "\n";
    } else {
        std::cout << sample(model, alphabet, o.sample,
                            {.prompt = "for thos", .seed = o.seed, .unknown = Unknown::skip()})
                  << "\n";
    }
    return saved;
}

/// The text as the first lessons read it: all of its characters, rows, a random fifth of them held out.
static bool train_rows(const Options& o, const Rung& rung, const Text& text, std::string& table) {
    const Alphabet alphabet(text, {.order = SymbolOrder::sorted, .front = U'\0'});
    RowOptions rows = rung.rows;
    rows.seed = o.seed;
    const auto [training, validation] = RowBatches(text, alphabet, rows).split(0.2, o.seed);
    return train(o, rung, alphabet, training, validation, table);
}

/// As the later ones do, with torchtext: small letters, rare characters as one, lanes, the text's end held out.
static bool train_lanes(const Options& o, const Rung& rung, const Text& text, std::string& table) {
    const Text lowered = lower_case(text);
    const std::size_t most = o.training < text.size() ? o.training : text.size() / 5 * 4;
    constexpr char32_t rare = U'\uFFFD';
    const Alphabet alphabet(lowered.head(most),
                            {.order = SymbolOrder::sorted, .front = U'\0', .min_count = 3, .unknown = rare});
    const auto lanes = [&](const Text& part) {
        return Batches(alphabet.encode(part, Unknown::replace(rare)), alphabet.size(), {},
                       {.lanes = o.lanes, .window = o.window});
    };
    const Batches training = lanes(lowered.head(most)), validation = lanes(lowered.slice(most));
    return o.no_jitter ? train(o, rung, alphabet, training, validation, table)
                       : train(o, rung, alphabet, Jittered(training, o.seed), validation, table);
}

int main(int argc, char** argv) {
    try {
        const std::vector<Rung> rungs = ladder();
        std::vector<std::string> names;
        for (const Rung& rung : rungs) names.push_back(rung.name);
        Options options;
        if (const std::optional<int> code = parse(argc, argv, names, options)) return *code;
        // So that files with these cells can be read again.
        Registry<>& registry = Registry<>::instance();
        registry.add_cell<AddCell>(), registry.add_cell<ConcatCell>(), registry.add_cell<PlainCell>();

        if (!options.save.empty()) std::filesystem::create_directories(options.save);
        const Text text = read_text(options.corpus);
        std::string table =
            "| model | in the course | epochs | validation there | here | training took |\n"
            "|---|---|---|---|---|---|\n";
        bool saved = true;
        for (const Rung& rung : rungs) {
            if (std::find(options.rungs.begin(), options.rungs.end(), rung.name) == options.rungs.end())
                continue;
            saved = (rung.rows.length > 0 ? train_rows(options, rung, text, table)
                                          : train_lanes(options, rung, text, table)) &&
                    saved;
            if (interrupted()) break;
        }
        std::cout << "\n" << table;
        return saved ? 0 : 1;
    } catch (const std::exception& e) {
        std::cerr << "nietzsche: " << e.what() << '\n';
        return 1;
    }
}
