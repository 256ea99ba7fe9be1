#pragma once

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <string>
#include <utility>

#include <charrnn/core/error.hpp>
#include <charrnn/data/batch.hpp>
#include <charrnn/data/batches.hpp>

namespace charrnn {

/// A text of documents with a separator after each, read so that no document knows of the one before: the state is
/// zero before each separator is read, which so also begins the document after it.
///
/// The separator is a target like any other: it is how a document ends. A document inside a lane is read as the
/// separator and its characters, and predicts its characters and the separator.
///
///     Documents(Batches(text, alphabet), alphabet.id(U'\f'))
///
/// Errors:  value_error for a separator that the alphabet lacks
template <BatchSource S = Batches>
class Documents {
  public:
    Documents(S source, std::uint32_t separator) : source_(std::move(source)), separator_(separator) {
        if (separator >= source_.alphabet_size())
            throw value_error("Documents: the separator " + std::to_string(separator) +
                              " is outside an alphabet of " + std::to_string(source_.alphabet_size()));
    }

    [[nodiscard]] std::size_t windows() const { return source_.windows(); }
    [[nodiscard]] std::size_t lanes() const { return source_.lanes(); }
    [[nodiscard]] std::size_t window() const { return source_.window(); }
    [[nodiscard]] std::size_t alphabet_size() const { return source_.alphabet_size(); }

    void fill(std::size_t i, Batch& batch) const {
        source_.fill(i, batch);
        batch.begins.resize(batch.inputs.size());
        std::transform(batch.inputs.begin(), batch.inputs.end(), batch.begins.begin(),
                       [this](std::uint32_t id) { return static_cast<std::uint8_t>(id == separator_); });
    }

  private:
    S source_;
    std::uint32_t separator_;
};

}  // namespace charrnn
