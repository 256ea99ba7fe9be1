#include <doctest/doctest.h>

#include <charrnn/charrnn.hpp>
#include <cmath>
#include <string>

#include "nn/instances.hpp"

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

TEST_CASE("weights that are not finite are noticed") {
    Fixture f;
    for (auto& p : f.model.parameters()) p.data[0] = std::nanf("");
    CHECK_THROWS_AS(sample(f.model, f.alphabet, 5), numeric_error);
}
