#include <doctest/doctest.h>

#include <charrnn/charrnn.hpp>
#include <cstdio>
#include <filesystem>
#include <fstream>
#include <limits>
#include <sstream>
#include <string>
#include <vector>

#include "nn/instances.hpp"
#include "temporary_folder.hpp"

namespace checkpoint_test {

using namespace charrnn;

namespace {

Text words(std::size_t characters, std::uint64_t seed = 1) {
    const char* list[] = {"int ", "return ", "if (x)\n", "\t{ ", "} ", "for ", "static ", "void\n", "= 0; "};
    Random random(seed);
    std::string s;
    while (s.size() < characters) s += list[random.below(9)];
    s.resize(characters);
    return Text::from_string(s);
}

struct Setting {
    Text text = words(700);
    Alphabet alphabet{text, U'\v'};

    [[nodiscard]] Model<> model(const std::string& cell = "lstm", std::uint64_t seed = 7) const {
        Random random(seed);
        return char_rnn(cell, alphabet.size(), 9, 2, random);
    }
    [[nodiscard]] Batches batches() const { return Batches(text, alphabet, {.lanes = 6, .window = 8}); }
};

template <class M>
std::vector<float> values(M& model) {
    std::vector<float> all;
    for (const auto& p : model.parameters()) all.insert(all.end(), p.data, p.data + p.size);
    return all;
}

/// All of a run but its seconds, and its model: two that are equal here go on alike for ever.
template <class Tr>
std::string bits(Tr& trainer, const Alphabet& alphabet) {
    std::string all;
    const auto add = [&](const auto* p, std::size_t n) {
        all.append(reinterpret_cast<const char*>(p), n * sizeof *p);
    };
    for (const auto& p : trainer.model().parameters()) add(p.data, p.size);
    const auto& s = trainer.state();
    for (const auto& slot : s.slots) add(slot.data(), slot.size());
    for (const auto& layer : s.recurrent)
        for (const auto& part : layer) add(part.data(), part.size());
    for (const std::uint64_t n : {s.step, s.epoch, std::uint64_t{s.window}, s.characters}) add(&n, 1);
    add(&s.lr, 1);
    return all + sample(trainer.model(), alphabet, 40, {.seed = 5});
}

std::string contents(const std::string& path) {
    std::ifstream in(path, std::ios::binary);
    std::ostringstream out;
    out << in.rdbuf();
    return out.str();
}

/// A log without the column of seconds.
std::string without_seconds(const std::string& path) {
    std::istringstream in(contents(path));
    std::string line, all;
    while (std::getline(in, line)) {
        std::size_t from = 0;
        for (int column = 0; column < 3; ++column) from = line.find(',', from) + 1;
        all += line.erase(from, line.find(',', from) - from) + '\n';
    }
    return all;
}

/// Run to `total` steps: in one go, or with a stop, a file and new objects after `cut`.
template <class O>
std::string run_to(const Setting& s, const std::string& cell, const O& optimiser, std::uint64_t total,
                   std::uint64_t cut, std::size_t threads_after, const std::string& folder) {
    const std::string path = folder + "/run.safetensors", log_path = folder + "/log.csv";
    const TrainerOptions options{.clip = 0.3, .decay = 0.9, .truncate = 5, .threads = 2, .slices = 3};
    Model<> model = s.model(cell);
    Trainer trainer(model, optimiser, s.batches(), options);
    CsvLog log(log_path);
    const auto follow = [](auto& t, CsvLog& l) {
        l.step(t.progress());
        l.probe(0.5);
        t.every_step([&](const Progress& p) { l.step(p); });
        t.every_epoch([&](const Progress& p) { l.validation(p.loss); });
    };
    follow(trainer, log);
    if (cut == total) {
        trainer.run(steps(total));
        log.finish();
        return bits(trainer, s.alphabet) + without_seconds(log_path);
    }
    trainer.run(steps(cut));
    save_run(path, trainer, s.alphabet, {.log = log.mark()});
    trainer.run(steps(1));  // what a kill would lose

    auto loaded = load_model(path);
    CHECK(loaded.alphabet == s.alphabet);
    TrainerOptions other = options;
    other.threads = threads_after;
    Trainer next(loaded.model, optimiser, s.batches(), other);
    const Resumed resumed = resume(path, next);
    CHECK(resumed.differences.size() == (threads_after == 2 ? 0 : 1));
    CsvLog next_log(log_path, *resumed.extra.log);
    next.every_step([&](const Progress& p) { next_log.step(p); });
    next.every_epoch([&](const Progress& p) { next_log.validation(p.loss); });
    next.run(steps(total - next.state().step));
    next_log.finish();
    return bits(next, s.alphabet) + without_seconds(log_path);
}

/// Every cell that the registry has, at 20 cut points, with as many threads and with others.
template <class O>
void check_resume(const O& optimiser) {
    const Setting s;
    const test::TemporaryFolder folder;
    for (const auto& cell : Registry<>::instance().names()) {
        Random random;
        if (Registry<>::instance().make(cell, 1, 1, random).state_parts() == 0) continue;
        CAPTURE(cell);
        const std::uint64_t total = 2 * s.batches().windows() + 5;
        const std::string whole = run_to(s, cell, optimiser, total, total, 2, folder.path());
        for (std::uint64_t i = 0; i < 20; ++i) {
            const std::uint64_t cut = i * (total - 1) / 19;
            CAPTURE(cut);
            CHECK(run_to(s, cell, optimiser, total, cut, 1 + i % 4, folder.path()) == whole);
        }
    }
}

struct Fixture {
    Setting s;
    test::TemporaryFolder folder;
    std::string path = folder.path() + "/run.safetensors";
    Model<> model = s.model();
    Trainer<Model<>, Adam, Batches> trainer{model, Adam(0.01), s.batches(), TrainerOptions{}};
    Fixture() {
        trainer.run(steps(4));
        save_run(path, trainer, s.alphabet,
                 {.best_loss = 1.25, .best_step = 3, .notes = {{"corpus", "words"}}});
    }
    template <class Tr>
    std::string refusal(Tr& t) {
        const std::string before = bits(t, s.alphabet);
        try {
            (void)resume(path, t);
        } catch (const error& e) {
            CHECK(bits(t, s.alphabet) == before);  // nothing is changed
            return e.what();
        }
        return "";
    }
    /// Save the run's image again with something changed.
    template <class F>
    void tamper(F f) {
        const TensorFile file = TensorFile::read(path);
        std::vector<TensorSource> tensors;
        for (const auto& t : file.tensors())
            tensors.push_back({t.name, t.dtype, t.shape, file.data(t), t.bytes()});
        auto metadata = file.metadata();
        metadata.erase("checksum");
        f(tensors, metadata);
        write_atomically(path, tensor_file_bytes(tensors, metadata));
    }
};

bool has(const std::string& text, const std::string& part) {
    CAPTURE(text);
    const bool found = text.find(part) != std::string::npos;
    CHECK(found);
    return found;
}

}  // namespace

TEST_CASE("[threads] a run cut at 20 points ends with the bits of one that was not, for every cell: Adam") {
    check_resume(Adam(0.01));
}

TEST_CASE("what the program keeps with a run comes back") {
    Fixture f;
    Model<> other = f.s.model("lstm", 8);
    Trainer trainer(other, Adam(0.5), f.s.batches());
    const Resumed resumed = resume(f.path, trainer);
    CHECK(resumed.differences.empty());
    CHECK(resumed.extra.best_loss == 1.25);
    CHECK(resumed.extra.best_step == 3);
    CHECK(resumed.extra.notes.at("corpus") == "words");
    CHECK(trainer.learning_rate() == 0.01);
    CHECK(trainer.state().seconds == f.trainer.state().seconds);
    CHECK(trainer.progress().step == 4);
}

TEST_CASE("a resume with other settings goes on and says what is another way") {
    Fixture f;
    Model<> other = f.s.model();
    Trainer trainer(other, Adam(0.01), f.s.batches(),
                    {.clip = 2, .decay = 0.5, .truncate = 3, .slices = 5, .seed = 9});
    f.tamper([](auto&, auto& m) {
        m["version"] = "0.0.9";
        m["train.blas"] = "OpenBLAS 0.1 (Alpha)";
        m["train.simd"] = "abacus";
        m["train.threads"] = "77";
    });
    const auto differences = resume(f.path, trainer).differences;
    CHECK(differences.size() == 9);
    std::string all;
    for (const auto& d : differences) all += d + "\n";
    has(all, "the number of slices: ");
    has(all, "the version of charrnn: 0.0.9 when the run was saved, " + version() + " now");
    has(all, "the vector instructions: abacus");
    has(all, "the BLAS: OpenBLAS 0.1 (Alpha)");
    has(all, "the number of threads: 77");
    CHECK(trainer.state().step == 4);
}

TEST_CASE("a run is not resumed with another model, optimiser, text or layout, and nothing is changed then") {
    Fixture f;
    {
        Random random(1);
        Model<> wide = char_rnn("lstm", f.s.alphabet.size(), 10, 2, random);
        Trainer t(wide, Adam(0.01), f.s.batches());
        has(f.refusal(t), "shape");
    }
    {
        Model<> rnn = f.s.model("rnn");
        Trainer t(rnn, Adam(0.01), f.s.batches());
        CHECK(!f.refusal(t).empty());
    }
    {
        Random random(1);
        Model<> deep = char_rnn("lstm", f.s.alphabet.size(), 9, 1, random);
        Trainer t(deep, Adam(0.01), f.s.batches());
        CHECK(!f.refusal(t).empty());
    }
    {
        Trainer t(f.model, Adam(0.01, 0.8), f.s.batches());
        has(f.refusal(t), "another optimiser: adam, beta1 0.9");
    }
    {
        Trainer t(f.model, Adam(0.01), Batches(words(700, 2), f.s.alphabet, {.lanes = 6, .window = 8}));
        has(f.refusal(t), "another text or batches");
    }
    {
        Trainer t(f.model, Adam(0.01), Batches(f.s.text, f.s.alphabet, {.lanes = 5, .window = 8}));
        has(f.refusal(t), "another text or batches");
    }
}

TEST_CASE("a run whose file lacks something, or says what cannot be, is refused") {
    const auto refusal = [](auto change) {
        Fixture f;
        f.tamper(change);
        return f.refusal(f.trainer);
    };
    using Tensors = std::vector<TensorSource>;
    using Metadata = std::map<std::string, std::string>;
    has(refusal([](Tensors&, Metadata& m) { m.erase("train.step"); }), "there is no training run in it");
    has(refusal([](Tensors&, Metadata& m) { m.erase("train.window"); }), "has no 'train.window'");
    has(refusal([](Tensors&, Metadata& m) { m["train.step"] = "-1"; }), "'-1', expected a count");
    has(refusal([](Tensors&, Metadata& m) { m["train.step"] = "1e3"; }), "'1e3', expected a count");
    has(refusal([](Tensors&, Metadata& m) { m["train.window"] = "100000"; }), "is at window 100000 of");
    has(refusal([](Tensors&, Metadata& m) { m["train.lr"] = "nan"; }), "'train.lr' is not finite");
    has(refusal([](Tensors&, Metadata& m) { m["train.lr"] = "0"; }), "not positive");
    has(refusal([](Tensors& t, Metadata&) { t.erase(t.end() - 1); }), "there is no tensor 'train.state.1.1'");
    has(refusal([](Tensors& t, Metadata&) { t.erase(t.begin() + 9); }),
        "there is no tensor 'train.slot0.layers.0.cell.Wi'");
    has(refusal([](Tensors& t, Metadata&) { t.back().shape = {9, 6}; }), "shape (9, 6), expected (6, 9)");
    static const float bad[6 * 9] = {1, 2, std::numeric_limits<float>::infinity()};
    has(refusal([](Tensors& t, Metadata&) { t.back().data = bad; }), "has inf at position 0");
}

TEST_CASE("numbers that are not finite are not saved, and the file stays as it was") {
    Fixture f;
    const std::string before = contents(f.path);
    f.model.parameters()[1].data[3] = std::numeric_limits<float>::quiet_NaN();
    CHECK_THROWS_WITH_AS(save_run(f.path, f.trainer, f.s.alphabet),
                         "layers.0.cell.Wh has nan at position 3, expected finite numbers only",
                         numeric_error);
    CHECK(contents(f.path) == before);
    f.model.parameters()[1].data[3] = 0;
    auto state = f.trainer.state();
    state.slots[0][2] = std::numeric_limits<float>::infinity();
    f.trainer.restore(state);
    CHECK_THROWS_AS(save_run(f.path, f.trainer, f.s.alphabet), numeric_error);
    CHECK(contents(f.path) == before);
}

TEST_CASE("a log is cut back to the mark and goes on; a shorter one is refused; a missing one begins anew") {
    const test::TemporaryFolder folder;
    const std::string path = folder.path() + "/log.csv";
    LogMark mark;
    {
        CsvLog log(path);
        log.step({.step = 1, .epoch = 0, .window = 1, .loss = 2});
        log.step({.step = 2, .epoch = 0, .window = 2, .loss = 1.5});
        log.probe(1.25);
        mark = log.mark();
        log.step({.step = 3, .epoch = 0, .window = 3, .loss = 1});
    }
    {
        CsvLog log(path, mark);
        log.step({.step = 3, .epoch = 0, .window = 3, .loss = 9});
    }
    const std::string text = contents(path);
    has(text, "\n2,1,0,0.000,1.5,1.25,,0\n3,1,0,0.000,9,,,0\n");
    CHECK(std::count(text.begin(), text.end(), '\n') == 4);
    CHECK_THROWS_AS(CsvLog(path, LogMark{100000, ""}), io_error);
    std::filesystem::remove(path);
    { CsvLog log(path, mark); }
    CHECK(contents(path) == "step,epoch,chars,seconds,train_loss,probe_loss,val_loss,lr\n" + mark.row);
}

}  // namespace checkpoint_test
