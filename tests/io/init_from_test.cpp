#include <doctest/doctest.h>

#include <charrnn/data/batches.hpp>
#include <charrnn/io/init_from.hpp>
#include <charrnn/nn/runner.hpp>
#include <charrnn/optim/adam.hpp>
#include <charrnn/train/saver.hpp>
#include <cmath>
#include <cstdio>
#include <string>
#include <vector>

#include <fcntl.h>
#include <unistd.h>

#include "nn/instances.hpp"
#include "temporary_folder.hpp"

namespace init_from_test {

using namespace charrnn;

namespace {

struct Old {
    test::TemporaryFolder folder;
    std::string path = folder.path() + "/old";
    Alphabet alphabet{Text::from_string("abc"), U'\v'};
    Random random{1};
    Model<> model = char_rnn("lstm", alphabet.size(), 3, 2, random);
    Old() { save(path, model, alphabet); }
    [[nodiscard]] std::string refusal(const Alphabet& needed) const {
        try {
            (void)init_from(path, needed);
        } catch (const data_error& e) {
            return e.what();
        }
        return "";
    }
};

}  // namespace

TEST_CASE("a new run from old weights: the alphabet is the file's, and must have the text's characters") {
    const Old old;
    const auto same = init_from(old.path, Alphabet(Text::from_string("cab"), U'\v'));
    CHECK(same.alphabet == old.alphabet);
    CHECK(printed(same.model) == printed(old.model));
    // Another stop symbol is not needed where there is one.
    CHECK(init_from(old.path, Alphabet(Text::from_string("c"), U'\f')).alphabet == old.alphabet);
    CHECK(old.refusal(Alphabet(Text::from_string("abxya"))) ==
          old.path +
              ": the model does not know 2 of the text's characters: 'x', 'y'; NewCharacters::extend "
              "(--extend) adds them");
    CHECK(old.refusal(Alphabet(Text::from_string("ab\v"))).find("is a character of the text") !=
          std::string::npos);
    CHECK(old.refusal(Alphabet(Text::from_string("ab", Encoding::bytes))).find("not both") !=
          std::string::npos);
}

TEST_CASE("new characters get ids at the end and fresh weights; the old ones keep theirs") {
    Old old;
    Random random(5);
    auto [model, alphabet] =
        init_from(old.path, Alphabet(Text::from_string("xaby"), U'\v'), NewCharacters::extend, random);
    CHECK(alphabet.symbols() == U"abc\vxy");
    CHECK(alphabet.stop() == U'\v');
    CHECK(model.in_size() == 6);
    CHECK(model.out_size() == 6);
    const auto before = old.model.parameters(), after = model.parameters();
    for (std::size_t i = 0; i < before.size(); ++i) {
        CAPTURE(before[i].name);
        const std::size_t columns = before[i].shape.back(), wide = after[i].shape.back();
        for (std::size_t k = 0; k < before[i].size; ++k)
            CHECK(before[i].data[k] == after[i].data[k / columns * wide + k % columns]);
    }
    CHECK(after[0].shape == std::vector<std::size_t>{6, 12});
    CHECK(after[0].data[5 * 12] != 0);
    // The logits of the old characters are the same to the bit: here, ratios of probabilities.
    Matrix<std::uint32_t> ids{{0}, {2}, {1}};
    State<float> a = old.model.zero_state(1), b = model.zero_state(1);
    const auto y = forward(old.model, ids, a), z = forward(model, ids, b);
    for (std::size_t j = 1; j < 4; ++j)
        CHECK(y(2, 0, j) / y(2, 0, 0) == doctest::Approx(z(2, 0, j) / z(2, 0, 0)).epsilon(1e-5));
}

TEST_CASE("a layer in which a character has no rows of its own takes no new characters") {
    const Old old;
    const std::size_t V = old.alphabet.size();
    Model<> bare;  // the LSTM's gates stand side by side in the columns of its weights
    bare.add(LSTM(V, V));
    bare.add(softmax);
    save(old.path, bare, old.alphabet);
    CHECK_THROWS_WITH_AS(
        init_from(old.path, Alphabet(Text::from_string("abcd"), U'\v'), NewCharacters::extend),
        (old.path + ": new characters cannot be added, for layers.0.cell.Wi has no rows or columns that "
                    "belong to one character")
            .c_str(),
        data_error);
    CHECK(init_from(old.path, old.alphabet, NewCharacters::extend).model.in_size() == V);
}

TEST_CASE("a saver without anybody to tell says on stderr that a save failed") {
    const Old old;
    Model<> model = old.model;
    Trainer trainer(model, Adam(0.01),
                    Batches(Text::from_string("abcabcabbcab"), old.alphabet, {.lanes = 2, .window = 2}));
    Saver saver("/nowhere/run", trainer, old.alphabet);
    const std::string log = old.folder.path() + "/stderr";
    std::fflush(stderr);
    const int kept = ::dup(2), file = ::open(log.c_str(), O_WRONLY | O_CREAT, 0600);
    REQUIRE(kept >= 0);
    REQUIRE(file >= 0);
    ::dup2(file, 2);
    const bool saved = saver.save();
    std::fflush(stderr);
    ::dup2(kept, 2);
    ::close(kept);
    ::close(file);
    CHECK(!saved);
    CHECK(test::contents(log).find("not saved: /nowhere/run: cannot be written") == 0);
}

TEST_CASE("a saver saves when it is due, and a save that fails is said and stops nothing") {
    const Old old;
    const Text text = Text::from_string("abcabcabbcabcabacbbacbabcabc");
    Model<> model = old.model;
    Trainer trainer(model, Adam(0.01), Batches(text, old.alphabet, {.lanes = 2, .window = 2}));
    std::vector<std::string> said;
    Saver saver(old.folder.path() + "/run", trainer, old.alphabet, {.steps = 4, .seconds = 0},
                [&](const std::string& s) { said.push_back(s); });
    Saver failing("/nowhere/run", trainer, old.alphabet, {.steps = 5, .seconds = 0},
                  [&](const std::string& s) { said.push_back(s); });
    std::vector<std::uint64_t> steps_saved;
    trainer.after_step([&](const Progress&) {
        saver.save_if_due();
        failing.save_if_due();
        if (trainer.state().step < 4) return;
        const TensorFile file = TensorFile::read(old.folder.path() + "/run");
        steps_saved.push_back(std::stoull(file.metadata().at("train.step")));
    });
    CHECK(saver.validation(1.5));
    CHECK(!saver.validation(1.75));
    trainer.run(steps(10));
    CHECK(steps_saved == std::vector<std::uint64_t>{4, 4, 4, 4, 8, 8, 8});
    CHECK(saver.save());
    CHECK(read_run_extra(TensorFile::read(old.folder.path() + "/run")).best_loss == 1.5);
    REQUIRE(said.size() == 2);
    CHECK(said[0].find("not saved: /nowhere/run: cannot be written") == 0);
    CHECK(!failing.save());
}

}  // namespace init_from_test
