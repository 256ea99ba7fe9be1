#pragma once

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <memory>
#include <optional>
#include <ostream>
#include <span>
#include <string>
#include <utility>

#include <charrnn/core/error.hpp>
#include <charrnn/core/format.hpp>
#include <charrnn/core/once.hpp>
#include <charrnn/data/alphabet.hpp>
#include <charrnn/data/batch.hpp>
#include <charrnn/data/ids.hpp>
#include <charrnn/data/text.hpp>

/// @file
/// A text as parallel lanes, read window by window.

namespace charrnn {

/// How a text is laid out for training.
struct BatchOptions {
    std::size_t lanes = 50;   ///< N, parallel streams through the text
    std::size_t window = 50;  ///< T, steps between two updates; gradients stop at its edge
};

/// The windows of a text of S characters cut into N lanes, in order: window i + 1 goes on where window i
/// stopped, so recurrent state may travel from one to the next.
///
/// With L = ceil(S / N), lane j reads the characters jL .. (j+1)L - 1 and is to predict jL + 1 .. (j+1)L: the
/// target of its last character is the next lane's first. Only the last lane ends early; from there on its
/// inputs and targets are the stop symbol (id 0 without one), masked by Batch::valid. Every character but the
/// first is a target exactly once an epoch.
/// Shapes: windows of (T, N), the last one shorter
/// Source: Flux's partition(batchseq(chunk(text, N), stop), T), with targets from shifted lanes. Flux chunks
///         the shifted text anew, which gives lanes of another length if N divides S - 1.
class Batches {
  public:
    /// Encodes the text and lays it out.
    /// Errors: data_error as Alphabet::encode, and if the text has fewer than 2 characters; value_error if
    ///         lanes or window is 0, or if there are so many lanes that one would have nothing to predict.
    Batches(const Text& text, const Alphabet& alphabet, BatchOptions options = {});

    /// Lays out ids that are less than `alphabet_size`. Copies share them.
    /// Errors: as above; data_error if an id or the stop id is not less than `alphabet_size`.
    Batches(Ids ids, std::size_t alphabet_size, std::optional<std::uint32_t> stop_id = std::nullopt,
            BatchOptions options = {});

    /// How many windows an epoch has: ceil(steps() / window()). The last may be shorter; none is dropped.
    std::size_t windows() const noexcept { return ceil_divide(steps_, window_); }

    /// T of window i. Errors: value_error if i >= windows().
    std::size_t window_steps(std::size_t i) const;

    /// Makes `batch` window i; allocates nothing if the batch has held a full window before.
    /// Errors: value_error if i >= windows().
    void fill(std::size_t i, Batch& batch) const;

    /// The same for any steps of the lanes. Errors: value_error if there are fewer than first + steps, or no steps.
    void fill_steps(std::size_t first, std::size_t steps, Batch& batch) const;

    /// Valid targets an epoch: S - 1.
    std::size_t characters() const noexcept { return size_ - 1; }
    /// S, the characters of the text.
    std::size_t size() const noexcept { return size_; }
    /// N
    std::size_t lanes() const noexcept { return lanes_; }
    /// The T asked for; a text with fewer steps makes one shorter window.
    std::size_t window() const noexcept { return window_; }
    /// L, the characters of a lane (of the longest, if the last is shorter).
    std::size_t lane_length() const noexcept { return lane_length_; }
    /// The time steps an epoch: L, or S - 1 for a single lane, whose last character has no target.
    std::size_t steps() const noexcept { return steps_; }
    /// V
    std::size_t alphabet_size() const noexcept { return alphabet_size_; }
    /// "50 lanes of 124,140 (the last 124,133), 2,483 windows of 50 (the last 40)".
    friend std::ostream& operator<<(std::ostream& out, const Batches& b);
    /// The encoded text.
    const Ids& ids() const noexcept { return *ids_; }

  private:
    static constexpr std::size_t ceil_divide(std::size_t a, std::size_t b) noexcept {
        return a / b + (a % b == 0 ? 0 : 1);
    }

    // Writes lane n, which reads from `first` on; that may lie behind the text's end.
    template <class Id>
    void fill_lane(std::span<const Id> ids, std::size_t first, std::size_t n, Batch& batch) const;

    // Each lane needs a target, so the last one must begin before the last character: (N - 1) L <= S - 2.
    void check_lanes() const;

    void check_ids(std::optional<std::uint32_t> stop_id) const;

    std::shared_ptr<const Ids> ids_;
    std::size_t size_;
    std::size_t alphabet_size_;
    std::uint32_t pad_;
    std::size_t lanes_;
    std::size_t window_;
    std::size_t lane_length_ = 0;
    std::size_t steps_ = 0;
};

static_assert(BatchSource<Batches>);

}  // namespace charrnn

#ifdef CHARRNN_ONCE
namespace charrnn {

CHARRNN_ONCE Batches::Batches(const Text& text, const Alphabet& alphabet, BatchOptions options)
    : Batches(alphabet.encode(text), alphabet.size(),
              alphabet.has_stop() ? std::optional(alphabet.stop_id()) : std::nullopt, options) {}

CHARRNN_ONCE Batches::Batches(Ids ids, std::size_t alphabet_size, std::optional<std::uint32_t> stop_id,
                              BatchOptions options)
    : ids_(std::make_shared<const Ids>(std::move(ids))),
      size_(ids_->size()),
      alphabet_size_(alphabet_size),
      pad_(stop_id.value_or(0)),
      lanes_(options.lanes),
      window_(options.window) {
    if (lanes_ == 0) throw value_error("Batches: 0 lanes; give at least 1");
    if (window_ == 0) throw value_error("Batches: a window of 0 steps; give at least 1");
    if (size_ == 0) throw data_error("Batches: the text is empty");
    if (size_ == 1) throw data_error("Batches: a text of 1 character has nothing to predict");
    check_lanes();
    check_ids(stop_id);
    lane_length_ = ceil_divide(size_, lanes_);
    steps_ = std::min(lane_length_, size_ - 1);
}

CHARRNN_ONCE std::size_t Batches::window_steps(std::size_t i) const {
    if (i >= windows()) {
        throw value_error("Batches: no window " + std::to_string(i) + " among " + std::to_string(windows()));
    }
    return std::min(window_, steps_ - i * window_);
}

CHARRNN_ONCE void Batches::fill(std::size_t i, Batch& batch) const {
    fill_steps(i * window_, window_steps(i), batch);
}

CHARRNN_ONCE void Batches::fill_steps(std::size_t first, std::size_t steps, Batch& batch) const {
    if (steps == 0 || first > steps_ || steps > steps_ - first)
        throw value_error("Batches: no " + std::to_string(steps) + " steps from " + std::to_string(first) +
                          " on among " + std::to_string(steps_));
    batch.steps = steps;
    batch.lanes = lanes_;
    batch.inputs.resize(steps * lanes_);
    batch.targets.resize(steps * lanes_);
    batch.valid.resize(lanes_);
    batch.from.clear();
    batch.begins.clear();
    batch.count = 0;
    ids_->visit([&](auto ids) {
        for (std::size_t n = 0; n < lanes_; ++n) fill_lane(ids, n * lane_length_ + first, n, batch);
    });
}

CHARRNN_ONCE std::ostream& operator<<(std::ostream& out, const Batches& b) {
    const auto last = [&out](std::size_t one, std::size_t all) {
        if (one != all) out << " (the last " << with_commas(one) << ")";
    };
    const std::size_t before = (b.lanes_ - 1) * b.lane_length_;
    out << with_commas(b.lanes_) << " lanes of " << with_commas(b.lane_length_);
    last(b.size_ - std::min(b.size_, before), b.lane_length_);
    out << ", " << with_commas(b.windows()) << " windows of " << with_commas(b.window_);
    last(b.window_steps(b.windows() - 1), b.window_);
    return out;
}

CHARRNN_ONCE void Batches::check_lanes() const {
    const auto works = [this](std::size_t lanes) {
        return (lanes - 1) <= (size_ - 2) / ceil_divide(size_, lanes);
    };
    if (works(lanes_)) return;
    // Any smaller number that works has lanes at least this long, so none is passed over.
    std::size_t fewer = lanes_;
    while (!works(fewer)) fewer = (size_ - 2) / ceil_divide(size_, fewer) + 1;
    throw value_error("Batches: " + std::to_string(lanes_) + " lanes for " + std::to_string(size_) +
                      " characters would leave the last one nothing to predict: give " +
                      std::to_string(fewer));
}

CHARRNN_ONCE void Batches::check_ids(std::optional<std::uint32_t> stop_id) const {
    std::uint32_t largest = ids_->visit([](auto ids) -> std::uint32_t {
        std::uint32_t most = 0;
        for (const auto id : ids) most = std::max<std::uint32_t>(most, id);
        return most;
    });
    largest = std::max(largest, stop_id.value_or(0));
    if (largest >= alphabet_size_) {
        throw data_error("Batches: the id " + std::to_string(largest) + " is outside an alphabet of " +
                         std::to_string(alphabet_size_));
    }
}

template <class Id>
void Batches::fill_lane(std::span<const Id> ids, std::size_t first, std::size_t n, Batch& batch) const {
    const auto at_most = [&](std::size_t end) {
        return first < end ? std::min(batch.steps, end - first) : 0;
    };
    const std::size_t read = at_most(size_);
    const std::size_t predicted = at_most(size_ - 1);
    for (std::size_t t = 0; t < batch.steps; ++t) {
        const std::size_t row = t * lanes_ + n;
        batch.inputs[row] = t < read ? ids[first + t] : pad_;
        batch.targets[row] = t < predicted ? ids[first + t + 1] : pad_;
    }
    batch.valid[n] = static_cast<std::uint32_t>(predicted);
    batch.count += predicted;
}

}  // namespace charrnn
#endif
