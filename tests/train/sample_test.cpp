#include <doctest/doctest.h>

#include <charrnn/charrnn.hpp>
#include <cmath>
#include <iterator>
#include <string>

#include "nn/instances.hpp"

namespace sample_test {

using namespace charrnn;

namespace {

struct Fixture {
    Text text = Text::from_string("hello, world: the quick brown fox jumps over the lazy dog é");
    Alphabet alphabet{text, U'\v'};
    Random random{5};
    Model<> model = char_rnn("lstm", alphabet.size(), 12, 2, random);
};

}  // namespace

TEST_CASE("sampling: length, prompt, seed") {
    const Fixture f;
    CHECK(decode(sample(f.model, f.alphabet, 100)).size() == 100);
    CHECK(sample(f.model, f.alphabet, 0, {.prompt = "the"}) == "the");
    const std::string s = sample(f.model, f.alphabet, 40, {.prompt = "the é", .seed = 1});
    CHECK(s.rfind("the é", 0) == 0);
    CHECK(decode(s).size() == 45);
    CHECK(s == sample(f.model, f.alphabet, 40, {.prompt = "the é", .seed = 1}));
    CHECK(s != sample(f.model, f.alphabet, 40, {.prompt = "the é", .seed = 2}));
    CHECK(s.find('\v') == std::string::npos);
}

TEST_CASE("sampling: an unknown character of the prompt is an error, skipped or replaced, as chosen") {
    const Fixture f;
    try {
        (void)sample(f.model, f.alphabet, 3, {.prompt = "the Z"});
        FAIL("expected data_error");
    } catch (const data_error& e) {
        const std::string what = e.what();
        CHECK(what.find("'Z'") != std::string::npos);
        CHECK(what.find('4') != std::string::npos);
    }
    CHECK(sample(f.model, f.alphabet, 0, {.prompt = "tZhe", .unknown = Unknown::skip()}) == "the");
    CHECK(sample(f.model, f.alphabet, 0, {.prompt = "tZe", .unknown = Unknown::replace(U'h')}) == "the");
}

TEST_CASE("sampling: a prompt of which nothing is left is none") {
    const Fixture f;
    const SampleOptions options{.prompt = "☃☃", .seed = 2, .unknown = Unknown::skip()};
    CHECK(sample(f.model, f.alphabet, 5, options) == sample(f.model, f.alphabet, 5, {.seed = 2}));
    CHECK(decode(sample(f.model, f.alphabet, 5, options)).size() == 5);
    CHECK_THROWS_AS((void)next_distribution(f.model, f.alphabet, "☃", options), data_error);
}

TEST_CASE("sampling: temperature 0 takes the most likely, and settings are checked") {
    const Fixture f;
    const auto greedy = [&](std::uint64_t seed) {
        return sample(f.model, f.alphabet, 30, {.prompt = "q", .temperature = 0, .seed = seed});
    };
    CHECK(greedy(1) == greedy(2));
    Sampler sampler(f.model, f.alphabet, {.prompt = "q", .temperature = 0});
    CHECK(sampler.next() == "q");
    const auto p = sampler.distribution();
    const auto best = static_cast<std::uint32_t>(std::max_element(p.begin(), p.end()) - p.begin());
    CHECK(sampler.next_id() == best);
    CHECK_THROWS_AS(sample(f.model, f.alphabet, 1, {.temperature = -1}), value_error);
    CHECK_THROWS_AS(sample(f.model, f.alphabet, 1, {.temperature = std::nan("")}), value_error);
    const Alphabet other(Text::from_string("abc"));
    CHECK_THROWS_AS(sample(f.model, other, 1), shape_error);
}

TEST_CASE("sampling: the distribution is the model's, step for step") {
    const Fixture f;
    Sampler sampler(f.model, f.alphabet, {.prompt = "the quick"});
    Matrix<std::uint32_t> ids({9, 1});
    const Ids prompt = f.alphabet.encode(std::string_view("the quick"));
    for (std::size_t t = 0; t < 9; ++t) ids(t, 0) = prompt[t];
    State<float> state = f.model.zero_state(1);
    const auto y = forward(f.model, ids, state);
    for (std::size_t t = 0; t < 9; ++t) {
        sampler.next_id();
        const auto& p = sampler.distribution();
        double without_stop = 0;
        for (std::size_t j = 0; j < p.size(); ++j)
            if (j != f.alphabet.stop_id()) without_stop += static_cast<double>(y(t, 0, j));
        for (std::size_t j = 0; j < p.size(); ++j)
            if (j != f.alphabet.stop_id())
                CHECK(p[j] == doctest::Approx(static_cast<double>(y(t, 0, j)) / without_stop).epsilon(1e-5));
        CHECK(p[f.alphabet.stop_id()] == 0);
    }
}

TEST_CASE("sampling at temperature 1 follows the distribution: chi-square") {
    const Text text = Text::from_string("abcdefg");
    const Alphabet alphabet(text);
    Random random(3);
    const Model<> model = char_rnn("rnn", alphabet.size(), 4, 1, random);
    std::vector<double> expected;
    std::vector<int> seen(alphabet.size());
    constexpr int n = 20'000;
    for (int i = 0; i < n; ++i) {
        Sampler sampler(model, alphabet, {.prompt = "c", .seed = static_cast<std::uint64_t>(i)});
        sampler.next_id();
        if (expected.empty()) expected = sampler.distribution();
        ++seen[sampler.next_id()];
    }
    double chi_square = 0;
    for (std::size_t j = 0; j < seen.size(); ++j) {
        const double e = n * expected[j];
        chi_square += (seen[j] - e) * (seen[j] - e) / e;
    }
    CHECK(chi_square < 22.46);  // 6 degrees of freedom, 0.1 %
}

TEST_CASE(
    "sampling: draws among more characters than a block has follow their weights, and what has none never "
    "comes") {
    std::u32string symbols;
    for (char32_t c = U'A'; symbols.size() < 70; ++c) symbols += c;
    const Alphabet alphabet = Alphabet::from_symbols(symbols);
    Buffer<float> logits(round_up(symbols.size(), 16));
    for (std::size_t j = 0; j < symbols.size(); ++j) logits[j] = 0.05F * static_cast<float>((j * 37) % 70);
    for (const std::size_t kept : {std::size_t{0}, std::size_t{30}}) {
        // Of 70 characters the last 6 stand alone behind the fourth block; here they, and all of the second, have nothing.
        for (std::size_t j = 0; kept > 0 && j < symbols.size(); ++j)
            if (j / 16 == 1 || j >= 64) logits[j] = -3;
        detail::Choice<float> choice(alphabet, {.top_k = kept});
        choice.read(logits.data());
        const std::vector<double> expected = choice.distribution();
        CHECK(std::count_if(expected.begin(), expected.end(), [](double p) { return p > 0; }) ==
              static_cast<std::ptrdiff_t>(kept == 0 ? 70 : kept));
        std::vector<int> seen(symbols.size());
        Random random(11);
        constexpr int n = 100'000;
        for (int i = 0; i < n; ++i) ++seen[choice.draw(random)];
        double chi_square = 0;
        for (std::size_t j = 0; j < seen.size(); ++j) {
            const double e = n * expected[j];
            if (e > 0)
                chi_square += (seen[j] - e) * (seen[j] - e) / e;
            else
                CHECK(seen[j] == 0);
        }
        CHECK(chi_square < (kept == 0 ? 111.1 : 58.3));  // 69 and 29 degrees of freedom, 0.1 %
    }
}

TEST_CASE("weights that are not finite are noticed") {
    Fixture f;
    for (auto& p : f.model.parameters()) p.data[0] = std::nanf("");
    CHECK_THROWS_AS(sample(f.model, f.alphabet, 5), numeric_error);
}

TEST_CASE("sampling: top-k and top-p leave the likeliest characters") {
    const Fixture f;
    const std::string context = "the quick";
    const auto all = next_distribution(f.model, f.alphabet, context);
    std::vector<double> sorted = all;
    std::sort(sorted.rbegin(), sorted.rend());
    for (const std::size_t k : {1U, 3U, 10U}) {
        const auto p = next_distribution(f.model, f.alphabet, context, {.top_k = k});
        double sum = 0;
        for (std::size_t j = 0; j < p.size(); ++j) {
            CHECK((p[j] > 0) == (all[j] >= sorted[k - 1]));
            sum += p[j];
        }
        CHECK(sum == doctest::Approx(1).epsilon(1e-12));
    }
    const double half = sorted[0] + sorted[1] + sorted[2];
    const auto p = next_distribution(f.model, f.alphabet, context, {.top_p = half - 1e-9});
    for (std::size_t j = 0; j < p.size(); ++j)
        CHECK(p[j] == doctest::Approx(all[j] >= sorted[2] ? all[j] / half : 0).epsilon(1e-12));
    CHECK(next_distribution(f.model, f.alphabet, context, {.top_k = 1000}) == all);
    const SampleOptions one{.prompt = "q", .top_k = 1}, greedy{.prompt = "q", .temperature = 0};
    CHECK(sample(f.model, f.alphabet, 30, one) == sample(f.model, f.alphabet, 30, greedy));
    CHECK_THROWS_AS(sample(f.model, f.alphabet, 1, {.top_p = 0}), value_error);
    CHECK_THROWS_AS(sample(f.model, f.alphabet, 1, {.top_p = 1.5}), value_error);
    CHECK_THROWS_AS(next_distribution(f.model, f.alphabet, ""), data_error);
}

TEST_CASE("sampling: stops before a character") {
    const Fixture f;
    const std::string whole = sample(f.model, f.alphabet, 200, {.prompt = "e ", .seed = 4});
    const std::string cut = sample(f.model, f.alphabet, 200, {.prompt = "e ", .seed = 4, .stop = U'o'});
    CHECK(cut == whole.substr(0, whole.find('o', 2)));
    CHECK(cut.size() < whole.size());
    CHECK_THROWS_AS(sample(f.model, f.alphabet, 1, {.stop = U'Z'}), data_error);
    // The alphabet's own stop symbol is never written, unless it is asked for as the end.
    const SampleOptions end{.prompt = "e", .seed = 1, .stop = U'\v'};
    CHECK(next_distribution(f.model, f.alphabet, "e", end)[f.alphabet.stop_id()] > 0);
    CHECK(sample(f.model, f.alphabet, 2000, end).find('\v') == std::string::npos);
    CHECK(sample(f.model, f.alphabet, 2000, end).size() < 2000);
}

TEST_CASE("sampling: several texts at once are those of one at a time") {
    const Fixture f;
    const SampleOptions options{.prompt = "the é", .top_k = 9, .seed = 3};
    const auto texts = sample_streams(f.model, f.alphabet, 40, 5, options);
    CHECK(texts.size() == 5);
    CHECK(texts[0] == sample(f.model, f.alphabet, 40, options));
    CHECK(texts[1] != texts[0]);
    CHECK(sample_streams(f.model, f.alphabet, 40, 2, options)[1] == texts[1]);
    for (const auto& t : texts) CHECK(decode(t).size() == 45);
    SampleOptions stop = options;
    stop.stop = U'o';
    const auto cut = sample_streams(f.model, f.alphabet, 40, 5, stop);
    for (std::size_t i = 0; i < 5; ++i) CHECK(cut[i] == texts[i].substr(0, texts[i].find('o')));
    CHECK_THROWS_AS(sample_streams(f.model, f.alphabet, 40, 0, options), value_error);
    CHECK_THROWS_AS(sample_streams(f.model, f.alphabet, 40, 2, {}), data_error);
}

TEST_CASE("sampling: the text does not depend on the number of threads [threads]") {
    const Fixture f;
    const std::size_t characters = f.alphabet.size();
    const auto check = [&](const auto& model) {
        CAPTURE(printed(model));
        SampleOptions options{.prompt = "the é", .seed = 3};
        const std::string text = sample(model, f.alphabet, 30, options);
        const auto texts = sample_streams(model, f.alphabet, 12, 3, options);
        const std::vector<double> next = next_distribution(model, f.alphabet, "quick", options);
        for (const std::size_t threads : {2U, 3U, 5U, 0U}) {
            CAPTURE(threads);
            options.threads = threads;
            CHECK(sample(model, f.alphabet, 30, options) == text);
            CHECK(sample_streams(model, f.alphabet, 12, 3, options) == texts);
            CHECK(next_distribution(model, f.alphabet, "quick", options) == next);  // bit for bit
        }
    };
    // Fewer units than a vector has, some panels, and panels of which the last has few units.
    for (const char* cell : {"lstm", "gru", "rnn"})
        for (const std::size_t hidden : {5U, 64U, 83U}) {
            Random random(hidden);
            check(char_rnn<float>(cell, characters, hidden, 2, random));
        }
    Random random(7);
    check(char_rnn<double>("gru", characters, 37, 3, random));
    // Layers of which the first thread makes all, between others.
    check(Chain(Embedding<float>(characters, 20, random), Recur(GRUResetBeforeCell{20, 33}, random),
                Dropout<float>(33, 0.5), Dense<float>(33, 40, activation::relu, random),
                Recur(LSTMCell{40, 50}, random), Dense<float>(50, characters, random)));
}

TEST_CASE("sampling: a sliding window reads the last characters from a zero state") {
    const Fixture f;
    std::string text = "the é", window = text;
    for (int i = 0; i < 20; ++i) {
        const std::string c = get_next(f.model, f.alphabet, {.prompt = window, .temperature = 0});
        CHECK(sample(f.model, f.alphabet, 1, {.prompt = window, .temperature = 0}) == window + c);
        text += c;
        const std::size_t first = static_cast<unsigned char>(window[0]) >= 0x80 ? 2 : 1;
        window = window.substr(first) + c;
    }
    CHECK(get_next_n(f.model, f.alphabet, 20, {.prompt = "the é", .temperature = 0}) == text);
    CHECK(get_next_n(f.model, f.alphabet, 0, {.prompt = "the"}) == "the");
    CHECK_THROWS_AS(get_next_n(f.model, f.alphabet, 5, {}), data_error);
}

TEST_CASE("scoring: in one pass, in windows of any length, and character by character the same") {
    const Fixture f;
    std::string s;
    for (int i = 0; i < 10; ++i) s += f.text.str();
    const Text text = Text::from_string(s);
    const auto in_windows = [&](std::size_t window) {
        return evaluate(f.model, Batches(text, f.alphabet, {.lanes = 1, .window = window}));
    };
    const double whole = in_windows(text.size());
    for (const std::size_t window : {1U, 2U, 7U, 50U, 333U})
        CHECK(std::abs(in_windows(window) - whole) < 1e-6);
    const Ids ids = f.alphabet.encode(text);
    Stateful step(f.model);
    double total = 0;
    Matrix<std::uint32_t> x({1, 1});
    for (std::size_t i = 0; i + 1 < ids.size(); ++i) {
        x(0, 0) = ids[i];
        total -= std::log(static_cast<double>(step(x)(0, 0, ids[i + 1])));
    }
    CHECK(std::abs(total / static_cast<double>(ids.size() - 1) - whole) < 1e-5);
}

TEST_CASE("sampling: a sampler is a range of characters") {
    using S = Sampler<float>;
    static_assert(std::input_iterator<S::Iterator>);
    static_assert(std::sentinel_for<std::default_sentinel_t, S::Iterator>);
    const Fixture f;
    const SampleOptions options{.prompt = "the é", .seed = 4};
    const std::string expected = sample(f.model, f.alphabet, 20, options);
    S sampler(f.model, f.alphabet, options);
    std::string text;
    std::size_t count = 0;
    for (const std::string& c : sampler.take(8)) text += c, ++count;
    CHECK(count == 8);
    for (const std::string& c : sampler.take(0)) text += c;
    for (const std::string& c : sampler) {  // without end
        text += c;
        if (++count == 25) break;
    }
    CHECK(text == expected);

    // It ends before the stop character, and stays there.
    const SampleOptions stopping{.prompt = "th", .seed = 4, .stop = U'e'};
    S stopped(f.model, f.alphabet, stopping);
    text.clear();
    for (const std::string& c : stopped) text += c;
    CHECK(text == sample(f.model, f.alphabet, 100'000, stopping));
    CHECK(stopped.ended());
    for (const std::string& c : stopped) text += c + "!";
    CHECK(text.find('!') == std::string::npos);
    S part(f.model, f.alphabet, stopping);
    std::size_t most = 0;
    for (const std::string& c : part.take(1'000'000)) most += c.size();
    CHECK(most >= text.size());
}

}  // namespace sample_test
