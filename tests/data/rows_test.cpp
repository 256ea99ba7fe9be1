#include <charrnn/data/rows.hpp>

#include <doctest/doctest.h>

#include <algorithm>
#include <cmath>
#include <set>
#include <string>
#include <vector>

#include <charrnn/nn/model.hpp>
#include <charrnn/optim/adam.hpp>
#include <charrnn/train/evaluate.hpp>
#include <charrnn/train/trainer.hpp>
#include "nn/instances.hpp"

namespace rows_test {

using namespace charrnn;

namespace {

Ids counting(std::size_t size) {
    std::vector<std::uint8_t> ids;
    for (std::size_t p = 0; p < size; ++p) ids.push_back(static_cast<std::uint8_t>(p));
    return Ids(std::move(ids));
}

using Row = std::vector<std::uint32_t>;  // what is read, then the targets that count

std::vector<Row> all_rows(const RowBatches& rows, std::uint64_t epoch = 0) {
    std::vector<Row> list;
    Batch b;
    std::size_t targets = 0;
    for (std::size_t w = 0; w < rows.windows(); ++w) {
        rows.fill(w, b, epoch);
        CHECK(b.begins.size() == b.steps * b.lanes);
        std::size_t count = 0;
        for (std::size_t n = 0; n < b.lanes; ++n) {
            CHECK(b.begins[n] == 1);
            Row row;
            for (std::size_t t = 0; t < b.valid[n]; ++t) row.push_back(b.inputs[t * b.lanes + n]);
            for (std::size_t t = b.from[n]; t < b.valid[n]; ++t, ++count)
                row.push_back(b.targets[t * b.lanes + n]);
            if (b.valid[n] > 0) list.push_back(row);
        }
        CHECK(count == b.count);
        targets += b.count;
    }
    CHECK(targets > 0);
    return list;
}

}  // namespace

TEST_CASE("rows: a window that is not there is an error") {
    const RowBatches rows(counting(40), 40, {.length = 8, .lanes = 4});
    Batch batch;
    CHECK_THROWS_WITH_AS(rows.fill(rows.windows(), batch), doctest::Contains("RowBatches: no window "),
                         value_error);
}

TEST_CASE("rows: stride 3, overlapping, and with a target after each character") {
    const Ids ids = counting(12);
    // fastai: range(0, 12 - 3, 3)
    CHECK(all_rows(RowBatches(ids, 12, {.length = 3, .stride = 3, .lanes = 2, .shuffle = false})) ==
          std::vector<Row>{{0, 1, 2, 3}, {3, 4, 5, 6}, {6, 7, 8, 9}});
    CHECK(RowBatches(counting(13), 13, {.length = 3, .stride = 3}).rows() == 4);
    CHECK(all_rows(RowBatches(ids, 12, {.length = 9, .lanes = 4, .shuffle = false})) ==
          std::vector<Row>{{0, 1, 2, 3, 4, 5, 6, 7, 8, 9},
                           {1, 2, 3, 4, 5, 6, 7, 8, 9, 10},
                           {2, 3, 4, 5, 6, 7, 8, 9, 10, 11}});
    CHECK(all_rows(RowBatches(
              ids, 12, {.length = 4, .stride = 4, .lanes = 4, .every_step = true, .shuffle = false})) ==
          std::vector<Row>{{0, 1, 2, 3, 1, 2, 3, 4}, {4, 5, 6, 7, 5, 6, 7, 8}});
}

TEST_CASE("rows: every row once an epoch, in another order each") {
    const RowBatches rows(counting(100), 100, {.length = 3, .lanes = 7, .seed = 4});
    auto first = all_rows(rows, 0), second = all_rows(rows, 1);
    CHECK(first != second);
    CHECK(first == all_rows(rows, 0));
    std::sort(first.begin(), first.end());
    std::sort(second.begin(), second.end());
    CHECK(first == second);
    CHECK(first.size() == 97);
    CHECK(std::set<Row>(first.begin(), first.end()).size() == 97);
}

TEST_CASE("rows: random and tail splits") {
    const RowBatches rows(counting(103), 103, {.length = 3, .lanes = 7, .shuffle = false});
    const auto [training, held] = rows.split(0.2, 42);
    CHECK(training.rows() == 80);
    CHECK(held.rows() == 20);
    auto both = all_rows(training);
    for (const Row& row : all_rows(held)) both.push_back(row);
    std::sort(both.begin(), both.end());
    CHECK(both == all_rows(rows));
    const auto [head, tail] = rows.split_tail(0.1);
    CHECK(all_rows(tail).front() == Row{90, 91, 92, 93});
    CHECK(head.rows() == 90);
    CHECK_THROWS_AS((void)rows.split(0), value_error);
    CHECK_THROWS_AS((void)rows.split(1), value_error);
    CHECK_THROWS_AS(RowBatches(counting(3), 3, {.length = 3}), data_error);
    CHECK_THROWS_AS(RowBatches(counting(9), 8, {.length = 3}), data_error);
    CHECK_THROWS_AS(RowBatches(counting(9), 9, {.length = 0}), value_error);
}

TEST_CASE("rows: only the last output counts, and each row begins from zero") {
    const Ids ids = counting(30);
    Random random(1);
    const Model<double> model = char_rnn<double>("gru", 30, 6, 1, random);
    const auto loss_of = [&](const RowBatches& rows, bool last) {
        double total = 0, count = 0;
        for (const Row& row : all_rows(rows)) {
            const std::size_t length = rows.window();
            Matrix<std::uint32_t> x({length, 1});
            std::copy_n(row.begin(), length, x.begin());
            State<double> state = model.zero_state(1);
            const auto y = forward(model, x, state);
            for (std::size_t t = last ? length - 1 : 0; t < length; ++t, ++count)
                total -= std::log(y(t, 0, row[last ? length : length + t]));
        }
        return total / count;
    };
    const RowBatches last(ids, 30, {.length = 4, .lanes = 5});
    const RowBatches each(ids, 30, {.length = 4, .stride = 4, .lanes = 5, .every_step = true});
    CHECK(evaluate(model, last, 2) == doctest::Approx(loss_of(last, true)).epsilon(1e-12));
    CHECK(evaluate(model, each, 1) == doctest::Approx(loss_of(each, false)).epsilon(1e-12));
    Model<double> trained = model;
    Trainer trainer(trained, Adam(0.02), last, {.threads = 2});
    trainer.run(epochs(40));
    CHECK(evaluate(trained, last) < 0.5);
    CHECK(trainer.state().characters == 40 * 26);
}

TEST_CASE("rows: a run that was resumed reads the same rows") {
    const RowBatches rows(counting(40), 40, {.length = 3, .lanes = 5, .seed = 2});
    const auto make = [] {
        Random random(1);
        return char_rnn("rnn", 40, 6, 1, random);
    };
    Model<> whole = make(), parts = make();
    Trainer a(whole, Adam(0.01), rows, {.threads = 1}), b(parts, Adam(0.01), rows, {.threads = 1});
    a.run(steps(21));
    b.run(steps(10));
    Trainer c(parts, Adam(0.01), rows, {.threads = 1});
    c.restore(b.state());
    c.run(steps(11));
    const auto wanted = whole.parameters(), got = parts.parameters();
    for (std::size_t i = 0; i < wanted.size(); ++i)
        CHECK(std::equal(wanted[i].begin(), wanted[i].end(), got[i].begin()));
}

}  // namespace rows_test
