#include <charrnn/data/documents.hpp>

#include <doctest/doctest.h>

#include <cmath>
#include <string>

#include <charrnn/nn/model.hpp>
#include <charrnn/train/evaluate.hpp>
#include "nn/instances.hpp"

namespace documents_test {

using namespace charrnn;

static_assert(BatchSource<Documents<>>);

TEST_CASE("documents: the loss of a text is that of its documents one by one") {
    const std::string documents[] = {"first one", "2nd", "the third document", "d"};
    std::string all = "|";
    for (const auto& d : documents) all += d + "|";
    const Text text = Text::from_string(all);
    const Alphabet alphabet(text);
    Random random(1);
    const Model<double> model = char_rnn<double>("lstm", alphabet.size(), 7, 2, random);
    double total = 0;
    for (const auto& d : documents) {
        const Ids ids = alphabet.encode("|" + d + "|");
        State<double> state = model.zero_state(1);
        Matrix<std::uint32_t> x({ids.size() - 1, 1});
        ids.copy(0, ids.size() - 1, x.data());
        const auto y = forward(model, x, state);
        for (std::size_t t = 0; t + 1 < ids.size(); ++t) total -= std::log(y(t, 0, ids[t + 1]));
    }
    for (const std::size_t window : {1U, 4U, 50U}) {
        const Documents source(Batches(text, alphabet, {.lanes = 1, .window = window}), alphabet.id(U'|'));
        CHECK(evaluate(model, source) ==
              doctest::Approx(total / static_cast<double>(text.size() - 1)).epsilon(1e-12));
    }
    const Batches batches(text, alphabet, {.lanes = 1, .window = 4});
    CHECK(evaluate(model, batches) != evaluate(model, Documents(batches, alphabet.id(U'|'))));
    CHECK_THROWS_AS(Documents(batches, 1000), value_error);
}

}  // namespace documents_test
