#include <doctest/doctest.h>

#include <cstdlib>
#include <filesystem>
#include <string>

#include <charrnn/data/alphabet.hpp>
#include <charrnn/data/batches.hpp>
#include <charrnn/data/lower_case.hpp>
#include <charrnn/data/rows.hpp>
#include <charrnn/data/text.hpp>

namespace facts_test {

// What the fastai course prints of Nietzsche's text. A twin of a few characters is tested always, the text itself where
// the environment variable CHARRNN_DATA names a folder that holds nietzsche.txt.

using namespace charrnn;

namespace {

constexpr AlphabetOptions padded{.order = SymbolOrder::sorted, .front = U'\0'};
constexpr AlphabetOptions torchtext{
    .order = SymbolOrder::sorted, .front = U'\0', .min_count = 3, .unknown = U'\uFFFD'};

}  // namespace

TEST_CASE("alphabet: rare characters are left out, and one stands for them") {
    const Text text = lower_case(Text::from_string("AaaBbcccd"));
    const Alphabet alphabet(text, torchtext);
    CHECK(alphabet.symbols() == std::u32string{U'\0', U'\uFFFD', U'a', U'c'});
    const Ids ids = alphabet.encode(text, Unknown::replace(U'\uFFFD'));
    CHECK(alphabet.decode(ids) == "aaa\uFFFD\uFFFDccc\uFFFD");
    CHECK_THROWS_AS((void)alphabet.encode(text), data_error);
    const Alphabet all(text, {.min_count = 2});
    CHECK(all.symbols() == U"abc");
    CHECK_THROWS_AS(Alphabet(text, {.min_count = 4}), data_error);
}

TEST_CASE("facts: Nietzsche") {
    const char* const folder = std::getenv("CHARRNN_DATA");
    if (folder == nullptr || !std::filesystem::exists(std::string(folder) + "/nietzsche.txt")) {
        MESSAGE("skipped: CHARRNN_DATA names no folder with nietzsche.txt");
        return;
    }
    const Text text = read_text(std::string(folder) + "/nietzsche.txt");
    CHECK(text.size() == 600'893);
    const Alphabet alphabet(text, padded);
    CHECK(alphabet.size() == 85);
    const Ids ids = alphabet.encode(text);
    const std::uint32_t begin[] = {40, 42, 29, 30, 25, 27, 29, 1, 1, 1};
    for (std::size_t i = 0; i < 10; ++i) CHECK(ids[i] == begin[i]);
    const RowBatches three(ids, alphabet.size(), {.length = 3, .stride = 3, .shuffle = false});
    CHECK(three.rows() == 200'297);
    Batch batch;
    three.fill(0, batch);
    const std::uint32_t first[] = {40, 30, 29, 1}, targets[] = {30, 29, 1, 40};
    for (std::size_t n = 0; n < 4; ++n) {
        CHECK(batch.inputs[n] == first[n]);
        CHECK(batch.targets[2 * batch.lanes + n] == targets[n]);
    }
    CHECK(RowBatches(ids, 85, {.length = 8}).rows() == 600'885);
    CHECK(RowBatches(ids, 85, {.length = 8, .stride = 8, .every_step = true}).rows() == 75'111);

    // torchtext's vocabulary is that of the training part.
    const Text training = lower_case(text.head(493'747));
    CHECK(Alphabet(training, torchtext).size() == 56);
    const Batches batches(Alphabet(training, torchtext).encode(training, Unknown::replace(U'\uFFFD')), 56, {},
                          {.lanes = 64, .window = 8});
    CHECK(batches.windows() == 965);  // the course's 963 leave out the last two, one of which is cut short
}

}  // namespace facts_test
