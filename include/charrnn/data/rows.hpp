#pragma once

#include <algorithm>
#include <cmath>
#include <cstddef>
#include <cstdint>
#include <memory>
#include <numeric>
#include <ostream>
#include <string>
#include <utility>
#include <vector>

#include <charrnn/core/error.hpp>
#include <charrnn/core/format.hpp>
#include <charrnn/core/permutation.hpp>
#include <charrnn/data/alphabet.hpp>
#include <charrnn/data/batch.hpp>
#include <charrnn/data/ids.hpp>
#include <charrnn/data/text.hpp>

namespace charrnn {

/// How a text is cut into rows.
struct RowOptions {
    std::size_t length = 8;   ///< characters read in a row
    std::size_t stride = 1;   ///< from a row's first character to the next row's
    std::size_t lanes = 512;  ///< N, rows in a window
    bool every_step = false;  ///< predict after each character of a row, not after the last alone
    bool shuffle = true;      ///< another order in each epoch
    std::uint64_t seed = 0;   ///< of the order
};

/// Rows of n characters, each read from a zero state, and what follows them.
///
/// Row r reads the characters r * stride .. + length - 1 and is to predict the next one; with `every_step`, each one's
/// next. A window is N rows side by side, T = length.
///
///     RowBatches(text, alphabet, {.length = 3, .stride = 3})                       fastai's Char3Model
///     RowBatches(text, alphabet, {.length = 8})                                    its overlapping rows of 8
///     RowBatches(text, alphabet, {.length = 8, .stride = 8, .every_step = true})   its CharSeqRnn
///
/// Errors:  data_error as Alphabet::encode, and for a text too short for one row; value_error for a 0
/// Source:  fastai's course, lesson 6
class RowBatches {
  public:
    RowBatches(const Text& text, const Alphabet& alphabet, RowOptions options = {})
        : RowBatches(alphabet.encode(text), alphabet.size(), options) {}

    /// The same of ids that are less than `alphabet_size`.
    RowBatches(Ids ids, std::size_t alphabet_size, RowOptions options = {})
        : ids_(std::make_shared<const Ids>(std::move(ids))),
          alphabet_size_(alphabet_size),
          options_(options) {
        if (options.length == 0 || options.stride == 0 || options.lanes == 0)
            throw value_error("RowBatches: length, stride and lanes must be at least 1");
        if (ids_->size() <= options.length)
            throw data_error("RowBatches: a text of " + std::to_string(ids_->size()) +
                             " characters has no row of " + std::to_string(options.length) +
                             " and a next character");
        ids_->visit([&](auto values) {
            for (const auto id : values)
                if (id >= alphabet_size)
                    throw data_error("RowBatches: the id " + std::to_string(id) +
                                     " is outside an alphabet of " + std::to_string(alphabet_size));
        });
        std::vector<std::uint32_t> all((ids_->size() - 1 - options.length) / options.stride + 1);
        std::iota(all.begin(), all.end(), 0U);
        rows_ = std::make_shared<const std::vector<std::uint32_t>>(std::move(all));
    }

    /// A random share of the rows held out: {the others, these}. Errors: value_error if one of the two would be empty
    [[nodiscard]] std::pair<RowBatches, RowBatches> split(double share, std::uint64_t seed = 0) const {
        const Permutation order(rows(), seed);
        std::vector<std::uint32_t> shuffled(rows());
        for (std::size_t i = 0; i < rows(); ++i) shuffled[i] = (*rows_)[order(i)];
        return divided(shuffled, share);
    }
    /// The last rows held out: {those before, these}. Errors: as split
    [[nodiscard]] std::pair<RowBatches, RowBatches> split_tail(double share) const {
        return divided(*rows_, share);
    }

    /// How many rows there are.
    [[nodiscard]] std::size_t rows() const noexcept { return rows_->size(); }
    [[nodiscard]] std::size_t windows() const noexcept {
        return (rows() + options_.lanes - 1) / options_.lanes;
    }
    [[nodiscard]] std::size_t lanes() const noexcept { return options_.lanes; }
    [[nodiscard]] std::size_t window() const noexcept { return options_.length; }
    [[nodiscard]] std::size_t alphabet_size() const noexcept { return alphabet_size_; }

    /// Makes `batch` window i of an epoch; the last may have lanes without a row, in which nothing counts.
    /// Errors: value_error if i >= windows()
    void fill(std::size_t i, Batch& batch, std::uint64_t epoch = 0) const {
        if (i >= windows())
            throw value_error("RowBatches: no window " + std::to_string(i) + " among " +
                              std::to_string(windows()));
        const std::size_t N = options_.lanes, T = options_.length;
        const std::size_t first = i * N, count = std::min(N, rows() - first);
        const Permutation order(rows(), options_.seed, epoch);
        batch.steps = T;
        batch.lanes = N;
        batch.inputs.assign(T * N, 0);
        batch.targets.assign(T * N, 0);
        batch.valid.assign(N, 0);
        batch.from.assign(N, static_cast<std::uint32_t>(options_.every_step ? 0 : T - 1));
        batch.begins.assign(T * N, 0);
        std::fill_n(batch.begins.begin(), N, std::uint8_t{1});
        batch.count = count * (options_.every_step ? T : 1);
        ids_->visit([&](auto ids) {
            for (std::size_t n = 0; n < count; ++n) {
                const std::size_t row = (*rows_)[options_.shuffle ? order(first + n) : first + n];
                const auto* const from = ids.data() + row * options_.stride;
                for (std::size_t t = 0; t < T; ++t) {
                    batch.inputs[t * N + n] = from[t];
                    batch.targets[t * N + n] = from[t + 1];
                }
                batch.valid[n] = static_cast<std::uint32_t>(T);
            }
        });
    }

    /// "200,297 rows of 3 characters, 392 windows of 512".
    friend std::ostream& operator<<(std::ostream& out, const RowBatches& b) {
        return out << with_commas(b.rows()) << " rows of " << b.options_.length << " characters, "
                   << with_commas(b.windows()) << " windows of " << b.options_.lanes;
    }

  private:
    [[nodiscard]] std::pair<RowBatches, RowBatches> divided(const std::vector<std::uint32_t>& all,
                                                            double share) const {
        const auto held = static_cast<std::size_t>(
            share > 0 && share < 1 ? std::floor(share * static_cast<double>(all.size())) : 0);
        if (held == 0)
            throw value_error("RowBatches: a share of " + std::to_string(share) + " of " +
                              std::to_string(all.size()) + " rows leaves one part empty");
        const auto middle = all.end() - static_cast<std::ptrdiff_t>(held);
        RowBatches a = *this, b = *this;
        a.rows_ = std::make_shared<const std::vector<std::uint32_t>>(all.begin(), middle);
        b.rows_ = std::make_shared<const std::vector<std::uint32_t>>(middle, all.end());
        return {std::move(a), std::move(b)};
    }

    std::shared_ptr<const Ids> ids_;
    std::shared_ptr<const std::vector<std::uint32_t>> rows_;  // which of the text's rows
    std::size_t alphabet_size_;
    RowOptions options_;
};

static_assert(BatchSource<RowBatches>);

}  // namespace charrnn
