#include <doctest/doctest.h>

#include <charrnn/charrnn.hpp>
#include <cstdio>
#include <filesystem>
#include <fstream>
#include <limits>
#include <sstream>
#include <string>
#include <vector>

#include "io/tampered.hpp"
#include "temporary_folder.hpp"
#include "train/setting.hpp"

namespace checkpoint_test {

using namespace charrnn;
using test::contents, test::has, test::Metadata, test::Tensors;
using test::Setting, test::words;

namespace {

/// A small one, for runs that are cut often.
Setting small() { return {.text = words(700), .shape = {.lanes = 6, .window = 8}, .hidden = 9}; }

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

/// Models of every kind that the registry makes, with an optimiser: a run that is saved at each of 20 steps, and 20 others
/// that go on from what was saved there, with new objects and other threads, to the same end.
template <class O>
void check_resume(const O& optimiser) {
    Setting s;
    s.text = words(160);
    s.shape = {.lanes = 4, .window = 5};
    s.alphabet = Alphabet(s.text, U'\v');
    const test::TemporaryFolder folder;
    const std::string whole_log = folder.path() + "/whole.csv", log_path = folder.path() + "/log.csv";
    const std::size_t V = s.alphabet.size(), H = 3;
    constexpr std::uint64_t total = 21;
    CHECK(total > 2 * s.batches().windows());  // more than two epochs
    std::size_t kinds = 0;
    const auto check = [&](const Model<>& first) {
        ++kinds;
        CAPTURE(printed(first));
        const TrainerOptions options{.clip = 0.3,
                                     .decay = 0.9,
                                     .truncate = 3,
                                     .threads = 1,
                                     .slices = 3,
                                     .seed = 5,
                                     .schedule = warm_up(steps(3)) * cosine_restarts(epochs(1), 1, 0.1)};
        const auto follow = [](auto& trainer, CsvLog& log) {
            trainer.every_step([&](const Progress& p) {
                log.step(p);
                if (p.step % 3 == 0) log.probe(p.loss / 2);
            });
            trainer.every_epoch([&](const Progress& p) { log.validation(p.loss); });
        };
        Model<> model = first;
        Trainer trainer(model, optimiser, s.batches(), options);
        std::vector<std::string> saved;
        std::string whole;
        {
            CsvLog log(whole_log);
            log.step(trainer.progress());
            follow(trainer, log);
            for (std::uint64_t cut = 0; cut < 20; ++cut) {
                saved.push_back(run_bytes(trainer, s.alphabet, {.log = log.mark()}));
                trainer.run(steps(1));
            }
            trainer.run(steps(total - 20));
            log.finish();
            whole = bits(trainer, s.alphabet) + without_seconds(whole_log);
        }
        for (std::uint64_t cut = 0; cut < 20; ++cut) {
            CAPTURE(cut);
            const TensorFile file = TensorFile::parse(saved[cut], "saved");
            LoadedModel<> loaded = load_model(file);
            TrainerOptions other = options;
            other.threads = 1 + cut % 3;
            Trainer next(loaded.model, optimiser, s.batches(), other);
            const Resumed resumed = resume(file, next);
            CHECK(resumed.differences.size() == (other.threads == 1 ? 0 : 1));
            std::filesystem::copy_file(whole_log, log_path,
                                       std::filesystem::copy_options::overwrite_existing);
            CsvLog log(log_path, *resumed.extra.log);
            follow(next, log);
            next.run(steps(total - cut));
            log.finish();
            CHECK(bits(next, loaded.alphabet) + without_seconds(log_path) == whole);
        }
    };
    Random random(7);
    Registry<>::instance().add_cell<GRUResetBeforeCell>();
    for (const auto& cell : Registry<>::instance().names())
        if (Registry<>::instance().make(cell, 1, 1, random).state_parts() > 0) {
            check(char_rnn(cell, V, H, 2, random));
            check(char_rnn(cell, V, H, 1, random, {.embedding = 2, .dropout = 0.3}));
        }
    CHECK(kinds >= 8);  // lstm, gru, gru-reset-before, rnn, and cells that other tests have added
    Model<> mixed;
    mixed.add(LSTM(V, H, random)).add(RNN(H, H, activation::relu, random));
    mixed.add(Dropout(H, 0.2, DropoutMask::each_window)).add(GRU(H, H, random));
    check(mixed.add(Dense(H, V, random)).add(softmax));
}

struct Fixture {
    Setting s = small();
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
};

}  // namespace

TEST_CASE("[threads] a run cut at 20 points ends with the bits of one that was not, for every cell: Adam") {
    check_resume(Adam(0.01));
}
TEST_CASE("[threads] the same: AdamW") { check_resume(AdamW(0.01, 0.1)); }
TEST_CASE("[threads] the same: SGD") { check_resume(SGD(0.1)); }
TEST_CASE("[threads] the same: SGD with Nesterov's momentum") {
    check_resume(SGD(0.1, {.momentum = 0.9, .nesterov = true, .weight_decay = 0.01}));
}
TEST_CASE("[threads] the same: RMSProp") { check_resume(RMSProp(0.01)); }

TEST_CASE("what the program keeps with a run comes back") {
    Fixture f;
    Model<> other = f.s.model("lstm", 8);
    Trainer trainer(other, Adam(0.5), f.s.batches());
    const Resumed resumed = resume(f.path, trainer);
    REQUIRE(resumed.differences.size() == 1);
    CHECK(resumed.differences[0] ==
          "the learning rate: 0.01 when the run was saved, which holds; the trainer was made with 0.5");
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
    Trainer trainer(other, Adam(0.02), f.s.batches(),
                    {.clip = 2, .decay = 0.5, .truncate = 3, .slices = 5, .seed = 9});
    test::tamper(f.path, [](auto&, auto& m) {
        m["version"] = "0.0.9";
        m["train.blas"] = "OpenBLAS 0.1 (Alpha)";
        m["train.simd"] = "abacus";
        m["train.threads"] = "77";
    });
    const auto differences = resume(f.path, trainer).differences;
    CHECK(differences.size() == 10);
    CHECK(trainer.state().lr == 0.01);
    trainer.set_schedule(
        Schedule([](double, double) { return 0.5; }));  // begins at step 4, but at 0 in the file
    const auto again = resume(f.path, trainer).differences;
    CHECK(again.size() == 10);
    has(again.back(),
        "the schedule: constant(1), 1 at its step 4 when the run was saved, one of the program's, 0.5 at its "
        "step "
        "4 now");
    std::string all;
    for (const auto& d : differences) all += d + "\n";
    has(all, "the number of slices: ");
    has(all, "the learning rate: 0.01 when the run was saved, which holds; the trainer was made with 0.02");
    has(all, "the version of charrnn: 0.0.9 when the run was saved, " + version() + " now");
    has(all, "the vector instructions: abacus");
    has(all, "the BLAS: OpenBLAS 0.1 (Alpha)");
    has(all, "the number of threads: 77");
    CHECK(trainer.state().step == 4);
}

TEST_CASE("a schedule that was set on the way goes on where it was") {
    Fixture f;
    const Schedule later = linear(steps(10), 1, 0.1);
    f.trainer.set_schedule(later);
    f.trainer.run(steps(3));
    save_run(f.path, f.trainer, f.s.alphabet);
    Model<> other = f.s.model();
    Trainer trainer(other, Adam(0.01), f.s.batches(), {.schedule = later});
    CHECK(resume(f.path, trainer).differences.empty());
    CHECK(trainer.state().schedule_start == 4);
    CHECK(trainer.learning_rate() == f.trainer.learning_rate());
    trainer.run(steps(2));
    f.trainer.run(steps(2));
    CHECK(bits(trainer, f.s.alphabet) == bits(f.trainer, f.s.alphabet));
}

TEST_CASE("resuming without what was tied says so") {
    const test::TemporaryFolder folder;
    const Setting s = small();
    Random random(1);
    Model<> model = char_rnn("rnn", s.alphabet.size(), 5, 1, random, {.embedding = 5});
    Trainer tied(model, Adam(0.01), s.batches(), {.ties = {{"layers.0.W", "layers.2.W"}}});
    save_run(folder.path("run"), tied, s.alphabet);
    CHECK(resume(folder.path("run"), tied).differences.empty());
    Trainer loose(model, Adam(0.01), s.batches());
    const auto differences = resume(folder.path("run"), loose).differences;
    REQUIRE(differences.size() == 1);
    has(differences[0], "the parameters that are one: layers.0.W = layers.2.W when the run was saved");
}

TEST_CASE("a best loss that is no number is none, and does not keep a run from going on") {
    Fixture f;
    save_run(f.path, f.trainer, f.s.alphabet, {.best_loss = std::nan("")});
    CHECK(!resume(f.path, f.trainer).extra.best_loss);
    for (const char* written : {"nan", "inf"}) {
        save_run(f.path, f.trainer, f.s.alphabet, {.best_loss = 1.5, .best_step = 3});
        test::tamper(f.path, [&](Tensors&, Metadata& m) { m["train.best_loss"] = written; });
        CHECK(!resume(f.path, f.trainer).extra.best_loss);
    }
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
    // The same ids, of other characters.
    const auto& symbols = f.s.alphabet.symbols();
    const auto with = [&](std::u32string list, char32_t stop, Encoding encoding = Encoding::utf8) {
        return Alphabet::from_symbols(std::move(list), stop, encoding);
    };
    const auto refusal = [&](const Alphabet& other) {
        const std::string before = bits(f.trainer, f.s.alphabet);
        std::string said;
        try {
            (void)resume(f.path, f.trainer, other);
        } catch (const data_error& e) {
            said = e.what();
        }
        CHECK(bits(f.trainer, f.s.alphabet) == before);
        return said;
    };
    CHECK(refusal(f.s.alphabet).empty());
    std::u32string other = symbols;
    other[3] = U'\u00e9';
    has(refusal(with(other, U'\v')),
        "the run has another alphabet: its character 3 is " + printable(symbols[3]) + ", expected U+00E9");
    has(refusal(with(symbols + U"Z", U'\v')),
        "its character " + std::to_string(symbols.size()) + " is none, expected 'Z'");
    has(refusal(with(symbols, symbols[0])), "another stop symbol");
    has(refusal(with(symbols, U'\v', Encoding::bytes)), "code points, expected bytes");
}

TEST_CASE("a run whose file lacks something, or says what cannot be, is refused") {
    const auto refusal = [](auto change) {
        Fixture f;
        test::tamper(f.path, change);
        return f.refusal(f.trainer);
    };
    has(refusal([](Tensors&, Metadata& m) { m.erase("train.step"); }), "there is no training run in it");
    has(refusal([](Tensors&, Metadata& m) { m.erase("train.window"); }), "has no 'train.window'");
    has(refusal([](Tensors&, Metadata& m) { m["train.step"] = "-1"; }), "'-1', expected a count");
    has(refusal([](Tensors&, Metadata& m) { m["train.step"] = "1e3"; }), "'1e3', expected a count");
    has(refusal([](Tensors&, Metadata& m) { m["train.window"] = "100000"; }), "is at window 100000 of");
    has(refusal([](Tensors&, Metadata& m) { m["train.lr"] = "nan"; }), "'train.lr' is not finite");
    has(refusal([](Tensors&, Metadata& m) { m["train.lr"] = "0"; }), "not positive");
    has(refusal([](Tensors&, Metadata& m) { m["train.schedule_start"] = "5"; }),
        "the schedule is said to begin at step 5, but the run is at step 4");
    has(refusal([](Tensors& t, Metadata&) { t.erase(t.end() - 1); }), "there is no tensor 'train.state.1.1'");
    has(refusal([](Tensors& t, Metadata&) { t.erase(t.begin() + 9); }),
        "there is no tensor 'train.slot0.layers.0.cell.Wi'");
    has(refusal([](Tensors& t, Metadata&) { t.back().shape = {9, 6}; }), "shape (9, 6), expected (6, 9)");
    static const float bad[6 * 9] = {1, 2, std::numeric_limits<float>::infinity()};
    has(refusal([](Tensors& t, Metadata&) { t.back().data = bad; }), "has inf at position 2");
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

TEST_CASE("a schedule is the same where only the last digit of its factor differs") {
    const auto same = detail::same_schedule;
    CHECK(same("cosine(9 epochs, 0), 0.5 at its step 3",
               "cosine(9 epochs, 0), 0.5000000000000001 at its step 3"));
    CHECK_FALSE(same("cosine(9 epochs, 0), 0.5 at its step 3", "cosine(9 epochs, 0), 0.50001 at its step 3"));
    CHECK_FALSE(same("cosine(9 epochs, 0), 0.5 at its step 3", "cosine(8 epochs, 0), 0.5 at its step 3"));
    CHECK_FALSE(same("cosine(9 epochs, 0), 0.5 at its step 3", "cosine(9 epochs, 0), 0.5 at its step 4"));
    CHECK_FALSE(same("", "one"));
}

}  // namespace checkpoint_test
