#include <doctest/doctest.h>

#include <cmath>
#include <cstdlib>
#include <filesystem>
#include <optional>
#include <string>
#include <utility>

#include <charrnn/data/alphabet.hpp>
#include <charrnn/data/batches.hpp>
#include <charrnn/data/lower_case.hpp>
#include <charrnn/data/rows.hpp>
#include <charrnn/data/text.hpp>
#include <charrnn/data/utf8.hpp>
#include "linux_kernel/corpus.hpp"

namespace facts_test {

// What the documents that charrnn follows print of their texts. Twins, as long and with as many characters, are tested
// always; the texts themselves where the environment variable CHARRNN_DATA names a folder that holds nietzsche.txt,
// shakespeare_input.txt or tinyshakespeare.txt.

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

namespace {

/// A file in the folder that CHARRNN_DATA names, if it is there.
std::optional<Text> at_hand(const std::string& name, Encoding encoding = Encoding::utf8) {
    const char* const folder = std::getenv("CHARRNN_DATA");
    const std::string path = std::string(folder != nullptr ? folder : ".") + "/" + name;
    if (folder != nullptr && std::filesystem::exists(path)) return read_text(path, encoding);
    MESSAGE("skipped: CHARRNN_DATA names no folder with " << name);
    return std::nullopt;
}

/// A text as long as Nietzsche's, with the same beginning, and the same characters in it and in its first 493,747.
Text twin_of_nietzsche() {
    const std::u32string common =
        U"\n !\"'(),-.0123456789:;=?ABCDEFGHIJKLMNOPQRSTUVWXYZ[]_abcdefghijklmnopqrstuvwxyz\u00E9";
    std::u32string text = U"PREFACE\n\n\nSUPPOSING that Truth is a woman--what then?";
    for (std::size_t i = 0; text.size() < 600'893; ++i) text += common[i * i % 7919 % common.size()];
    for (const char32_t c : common) text[1'000 + common.find(c)] = c;
    for (std::size_t i = 0; i < 4; ++i) text[2'000 + i] = U"\u00C6\u00E6\u00E4\u00EB"[i];  // rare
    std::string bytes;
    for (const char32_t c : text) append_utf8(bytes, c);
    return Text::from_string(std::move(bytes));
}

void check_nietzsche(const Text& text) {
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
    const std::uint32_t second[] = {42, 25, 1, 43}, third[] = {29, 27, 1, 45};
    for (std::size_t n = 0; n < 4; ++n) {
        CHECK(batch.inputs[n] == first[n]);
        CHECK(batch.inputs[batch.lanes + n] == second[n]);
        CHECK(batch.inputs[2 * batch.lanes + n] == third[n]);
        CHECK(batch.targets[2 * batch.lanes + n] == targets[n]);
    }
    CHECK(RowBatches(ids, 85, {.length = 8}).rows() == 600'885);
    CHECK(RowBatches(ids, 85, {.length = 8, .stride = 8, .every_step = true}).rows() == 75'111);

    // torchtext's vocabulary is that of the training part.
    const Text training = lower_case(text.head(493'747));
    CHECK(text.slice(493'747).size() == 107'146);
    CHECK(Alphabet(training, torchtext).size() == 56);
    const Batches batches(Alphabet(training, torchtext).encode(training, Unknown::replace(U'\uFFFD')), 56, {},
                          {.lanes = 64, .window = 8});
    CHECK(batches.windows() == 965);  // the course's 963 leave out the last two, one of which is cut short
}

}  // namespace

TEST_CASE("facts: Nietzsche") {
    check_nietzsche(twin_of_nietzsche());
    if (const auto text = at_hand("nietzsche.txt")) {
        check_nietzsche(*text);
        CHECK(corpus::sha256_hex(text->bytes()) ==
              "23cf69874ab69d3d256099ab530ea4be24d47d9675b673bcc67cbcd6298ec647");
    }
}

TEST_CASE("facts: Shakespeare, read as bytes") {
    const auto check = [](const Text& text) {
        const Alphabet alphabet(text, U'_');
        CHECK(alphabet.size() == 68);
        CHECK(Batches(text, alphabet, {.lanes = 50, .window = 50}).windows() == 1'830);
        CHECK_THROWS_AS(Alphabet(Text::from_string("a_b", Encoding::bytes), U'_'), data_error);
    };
    std::string twin(4'573'338, ' ');  // as long as the text, with as many characters
    for (std::size_t i = 0; i < twin.size(); ++i) twin[i] = static_cast<char>(' ' + i % 70);
    for (char& c : twin)
        if (c == '_' || c > 'c') c = ' ';
    check(Text::from_string(twin, Encoding::bytes));
    if (const auto text = at_hand("shakespeare_input.txt", Encoding::bytes)) {
        check(*text);
        CHECK(corpus::sha256_hex(text->bytes()) ==
              "59a0ad62833b2e15ec811c548618876359e902717431236e52699a0e2bc253ca");
    }
}

TEST_CASE("facts: a part of Shakespeare") {
    if (const auto text = at_hand("tinyshakespeare.txt")) {
        CHECK(text->size() == 1'115'394);
        CHECK(Alphabet(*text).size() == 65);
    }
}

TEST_CASE("facts: the kernel's characters and their stop symbol") {
    // As many characters, 100 of them different: tab, line feed, the 95 that print, and three more.
    const std::u32string symbols = [] {
        std::u32string all = U"\t\n\u00A9\u00E9\u00FC";
        for (char32_t c = 32; c < 127; ++c) all += c;
        return all;
    }();
    std::string bytes;
    for (std::size_t i = 0; i < 6'206'993; ++i) append_utf8(bytes, symbols[i < 100 ? i : 2 + i % 98]);
    const Text text = Text::from_string(std::move(bytes));
    CHECK(text.size() == 6'206'993);
    CHECK(Alphabet(text).size() == 100);
    CHECK(Alphabet(text, U'\v').size() == 101);
    CHECK_THROWS_AS(Alphabet(text, U'_'), data_error);  // it would stand there twice
    CHECK(std::log(101.0) == doctest::Approx(4.615).epsilon(1e-4));
}

TEST_CASE("facts: the runs that download a text know what it should be") {
    const auto script = [](const std::string& name) {
        return std::string(
            read_text(std::string(CHARRNN_GOLDEN_DIR "/../../examples/") + name + "/run").bytes());
    };
    for (const char* name : {"shakespeare", "lux_shakespeare"})
        CHECK(script(name).find("59a0ad62833b2e15ec811c548618876359e902717431236e52699a0e2bc253ca") !=
              std::string::npos);
    CHECK(script("nietzsche").find("23cf69874ab69d3d256099ab530ea4be24d47d9675b673bcc67cbcd6298ec647") !=
          std::string::npos);
}

}  // namespace facts_test
