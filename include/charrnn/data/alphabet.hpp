#pragma once

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <optional>
#include <ostream>
#include <span>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include <charrnn/core/buffer.hpp>
#include <charrnn/core/error.hpp>
#include <charrnn/core/once.hpp>
#include <charrnn/data/code_point_map.hpp>
#include <charrnn/data/ids.hpp>
#include <charrnn/data/text.hpp>
#include <charrnn/data/utf8.hpp>

/// @file
/// An alphabet: which characters there are, and the number of each.

namespace charrnn {

/// The order in which a text's characters get their ids.
enum class SymbolOrder {
    first_seen,  ///< as the text brings them: Flux's `unique(text)`
    sorted,      ///< by code point
};

/// What an alphabet takes from a text, and what it adds.
struct AlphabetOptions {
    SymbolOrder order = SymbolOrder::first_seen;  ///< of the ids
    std::optional<char32_t> front = {};           ///< gets id 0, whether or not the text holds it
    std::size_t min_count = 1;                    ///< characters that the text holds less often are left out
    std::optional<char32_t> unknown = {};  ///< gets the id after the front, to stand for what is left out:
                                           ///< encode with Unknown::replace(it)
    std::optional<char32_t> stop = {};     ///< gets the last id; the text must not hold it
};

/// What encoding does with a character that the alphabet lacks.
class Unknown {
  public:
    /// Throw a data_error that names the character and its position. The default everywhere.
    static constexpr Unknown error() noexcept { return Unknown(What::error, U'\0'); }
    /// Leave it out: the result is shorter than the text.
    static constexpr Unknown skip() noexcept { return Unknown(What::skip, U'\0'); }
    /// Put this character, which the alphabet must hold, in its place.
    static constexpr Unknown replace(char32_t with) noexcept { return Unknown(What::replace, with); }

  private:
    friend class Alphabet;
    enum class What { error, skip, replace };
    constexpr Unknown(What what, char32_t with) noexcept : what_(what), with_(with) {}

    What what_;
    char32_t with_;
};

/// An ordered set of V different characters with the ids 0 .. V - 1, and perhaps a stop symbol among them:
/// one that no text holds, for padding and for ending.
class Alphabet {
  public:
    /// The characters of a text.
    /// Errors: data_error if the text is empty, holds the stop symbol (named with its position, counted from
    ///         0), or cannot hold one of the added symbols (above 255 in byte mode).
    explicit Alphabet(const Text& text, AlphabetOptions options = {})
        : Alphabet(collect(text, options), options.stop, text.encoding()) {}

    /// The characters of a text in the order of their first appearance, then the stop symbol.
    Alphabet(const Text& text, char32_t stop) : Alphabet(text, AlphabetOptions{.stop = stop}) {}

    /// The alphabet of exactly these symbols in this order: what symbols(), stop() and encoding() gave.
    /// Errors: data_error if there is none, one stands twice or cannot be a character, or the stop symbol is
    ///         not among them.
    static Alphabet from_symbols(std::u32string symbols, std::optional<char32_t> stop = std::nullopt,
                                 Encoding encoding = Encoding::utf8) {
        return Alphabet(std::move(symbols), stop, encoding);
    }

    /// V, the stop symbol included.
    std::size_t size() const noexcept { return symbols_.size(); }

    /// The V symbols in the order of their ids.
    const std::u32string& symbols() const noexcept { return symbols_; }

    /// What a symbol is: a code point, or a byte of 0..255.
    Encoding encoding() const noexcept { return encoding_; }

    /// Whether it has this character.
    bool contains(char32_t c) const noexcept { return map_.find(c) != Map::missing; }

    /// The id of a character, if the alphabet has it.
    std::optional<std::uint32_t> find(char32_t c) const noexcept {
        const std::uint32_t id = map_.find(c);
        return id == Map::missing ? std::nullopt : std::optional(id);
    }

    /// The id of a character. Errors: data_error, naming it, if the alphabet lacks it.
    std::uint32_t id(char32_t c) const;

    /// The character with this id. Errors: value_error if id >= V.
    char32_t symbol(std::uint32_t id) const;

    /// Whether there is a stop symbol.
    bool has_stop() const noexcept { return stop_.has_value(); }

    /// The stop symbol. Errors: value_error if there is none.
    char32_t stop() const;

    /// The stop symbol's id. Errors: value_error if there is none.
    std::uint32_t stop_id() const { return map_.find(stop()); }

    /// The ids of a text, in one pass and one buffer, in as few bytes each as V allows.
    /// Errors: data_error if the alphabet lacks a character and `unknown` is error() (the message names it
    ///         with its position, counted from 0 in characters), if it lacks the replacement, or if text and
    ///         alphabet differ in encoding.
    Ids encode(const Text& text, Unknown unknown = Unknown::error()) const;

    /// The same for a string, a prompt for example, whose bytes are read in the alphabet's encoding.
    Ids encode(std::string_view text, Unknown unknown = Unknown::error()) const;

    /// The same for code points (or bytes, one in each element).
    Ids encode(std::u32string_view text, Unknown unknown = Unknown::error()) const;

    /// The text of these ids, in UTF-8 or in bytes as the alphabet is: decode(encode(text)) == text.bytes().
    /// Errors: value_error if an id >= V.
    std::string decode(const Ids& ids) const;
    /// The same for ids of four bytes.
    std::string decode(std::span<const std::uint32_t> ids) const;

    /// Appends the text of one id, for writing as one samples. Errors: value_error if id >= V.
    void append_to(std::string& out, std::uint32_t id) const;

    /// The same symbols in the same order, with the same stop symbol and encoding.
    friend bool operator==(const Alphabet& a, const Alphabet& b) noexcept {
        return a.symbols_ == b.symbols_ && a.stop_ == b.stop_ && a.encoding_ == b.encoding_;
    }

    /// As in ``Alphabet(101 characters, stop '\v')``, `Alphabet(256 bytes)`.
    friend std::ostream& operator<<(std::ostream& out, const Alphabet& alphabet);

  private:
    using Map = detail::CodePointMap;

    Alphabet(std::u32string symbols, std::optional<char32_t> stop, Encoding encoding);

    // The symbols in their final order.
    static std::u32string collect(const Text& text, const AlphabetOptions& options);

    Ids encode_bytes(std::string_view bytes, std::size_t size, Unknown unknown) const;

    template <class Scan>
    Ids encode_with(std::size_t size, Unknown unknown, const Scan& scan) const;

    // `size` is how many characters `scan` will bring; Id is wide enough for V.
    template <class Id, class Scan>
    Buffer<Id> encode_as(std::size_t size, Unknown unknown, const Scan& scan) const;

    [[noreturn]] void throw_unknown(char32_t c, std::size_t position) const;

    template <class Id>
    std::string decode_all(std::span<const Id> ids) const;

    std::u32string symbols_;
    std::optional<char32_t> stop_;
    Encoding encoding_;
    Map map_;
};

}  // namespace charrnn

#ifdef CHARRNN_ONCE
namespace charrnn {

CHARRNN_ONCE std::uint32_t Alphabet::id(char32_t c) const {
    const std::uint32_t id = map_.find(c);
    if (id == Map::missing) throw data_error("the alphabet has no " + printable(c, encoding_));
    return id;
}

CHARRNN_ONCE char32_t Alphabet::symbol(std::uint32_t id) const {
    if (id >= symbols_.size()) {
        throw value_error("no character has the id " + std::to_string(id) + " in an alphabet of " +
                          std::to_string(symbols_.size()));
    }
    return symbols_[id];
}

CHARRNN_ONCE char32_t Alphabet::stop() const {
    if (!stop_) throw value_error("the alphabet has no stop symbol");
    return *stop_;
}

CHARRNN_ONCE Ids Alphabet::encode(const Text& text, Unknown unknown) const {
    if (text.encoding() != encoding_) {
        throw data_error(encoding_ == Encoding::bytes
                             ? "the alphabet is one of bytes, but the text was read as UTF-8"
                             : "the alphabet is one of code points, but the text was read as bytes");
    }
    return encode_bytes(text.bytes(), text.size(), unknown);
}

CHARRNN_ONCE Ids Alphabet::encode(std::string_view text, Unknown unknown) const {
    return encode_bytes(text, count_code_points(text, encoding_), unknown);
}

CHARRNN_ONCE Ids Alphabet::encode(std::u32string_view text, Unknown unknown) const {
    return encode_with(text.size(), unknown, [text](auto&&, auto&& on_character) {
        for (const char32_t c : text) on_character(c);
    });
}

CHARRNN_ONCE std::string Alphabet::decode(const Ids& ids) const {
    return ids.visit([this](auto values) { return decode_all(values); });
}

CHARRNN_ONCE std::string Alphabet::decode(std::span<const std::uint32_t> ids) const {
    return decode_all(ids);
}

CHARRNN_ONCE void Alphabet::append_to(std::string& out, std::uint32_t id) const {
    const char32_t c = symbol(id);
    if (encoding_ == Encoding::bytes) {
        out.push_back(static_cast<char>(static_cast<unsigned char>(c)));
    } else {
        append_utf8(out, c);
    }
}

CHARRNN_ONCE std::ostream& operator<<(std::ostream& out, const Alphabet& alphabet) {
    const char* const what = alphabet.encoding_ == Encoding::bytes ? " byte" : " character";
    out << "Alphabet(" << alphabet.size() << what << (alphabet.size() == 1 ? "" : "s");
    if (alphabet.stop_) out << ", stop " << printable(*alphabet.stop_, alphabet.encoding_);
    return out << ')';
}

CHARRNN_ONCE Alphabet::Alphabet(std::u32string symbols, std::optional<char32_t> stop, Encoding encoding)
    : symbols_(std::move(symbols)), stop_(stop), encoding_(encoding) {
    if (symbols_.empty()) throw data_error("an alphabet needs at least one character");
    for (std::size_t i = 0; i < symbols_.size(); ++i) {
        const char32_t c = symbols_[i];
        if (encoding == Encoding::bytes ? c > 0xFF : !detail::is_encodable(c)) {
            throw data_error(printable(c) + " cannot be in an alphabet of " +
                             (encoding == Encoding::bytes ? "bytes" : "code points"));
        }
        if (const std::uint32_t before = map_.find(c); before != Map::missing) {
            throw data_error(printable(c, encoding) + " stands twice in the alphabet, at " +
                             std::to_string(before) + " and " + std::to_string(i));
        }
        map_.set(c, static_cast<std::uint32_t>(i));
    }
    if (stop && !contains(*stop)) {
        throw data_error("the stop symbol " + printable(*stop, encoding) + " is not in the alphabet");
    }
}

CHARRNN_ONCE std::u32string Alphabet::collect(const Text& text, const AlphabetOptions& options) {
    if (text.empty()) throw data_error("an alphabet cannot be made: the text is empty");
    std::u32string symbols;
    Map seen;
    std::size_t position = 0;
    const auto add = [&](char32_t c, std::size_t where) {
        if (options.stop == c) {
            throw data_error("the stop symbol " + printable(c, text.encoding()) +
                             " occurs in the text, at position " + std::to_string(where) +
                             ": choose one that it does not hold");
        }
        seen.set(c, static_cast<std::uint32_t>(symbols.size()));
        symbols += c;
    };
    detail::scan(
        text.bytes(), text.encoding(),
        [&](const unsigned char* p, const unsigned char* q) {
            // The page of bytes never moves within a run: it always exists.
            const std::uint32_t* const table = seen.bytes();
            for (const unsigned char* c = p; c != q; ++c) {
                if (table[*c] == Map::missing) add(*c, position + static_cast<std::size_t>(c - p));
            }
            position += static_cast<std::size_t>(q - p);
        },
        [&](char32_t c) {
            if (seen.find(c) == Map::missing) add(c, position);
            ++position;
        });
    if (options.min_count > 1) {
        std::vector<std::size_t> counts(symbols.size());
        text.for_each([&](char32_t c) { ++counts[seen.find(c)]; });
        std::u32string kept;
        for (std::size_t i = 0; i < symbols.size(); ++i)
            if (counts[i] >= options.min_count) kept += symbols[i];
        symbols = std::move(kept);
    }
    if (options.order == SymbolOrder::sorted) std::sort(symbols.begin(), symbols.end());
    if (options.unknown) {
        symbols.erase(std::remove(symbols.begin(), symbols.end(), *options.unknown), symbols.end());
        symbols.insert(symbols.begin(), *options.unknown);
    }
    if (options.front) {
        symbols.erase(std::remove(symbols.begin(), symbols.end(), *options.front), symbols.end());
        symbols.insert(symbols.begin(), *options.front);
    }
    if (options.stop) symbols += *options.stop;
    return symbols;
}

CHARRNN_ONCE Ids Alphabet::encode_bytes(std::string_view bytes, std::size_t size, Unknown unknown) const {
    return encode_with(size, unknown, [this, bytes](auto&& on_run, auto&& on_character) {
        detail::scan(bytes, encoding_, on_run, on_character);
    });
}

[[noreturn]] CHARRNN_ONCE void Alphabet::throw_unknown(char32_t c, std::size_t position) const {
    throw data_error("the alphabet has no " + printable(c, encoding_) + ", which the text has at position " +
                     std::to_string(position));
}

template <class Scan>
Ids Alphabet::encode_with(std::size_t size, Unknown unknown, const Scan& scan) const {
    if (symbols_.size() <= 0x100) return Ids(encode_as<std::uint8_t>(size, unknown, scan));
    if (symbols_.size() <= 0x10000) return Ids(encode_as<std::uint16_t>(size, unknown, scan));
    return Ids(encode_as<std::uint32_t>(size, unknown, scan));
}

template <class Id, class Scan>
Buffer<Id> Alphabet::encode_as(std::size_t size, Unknown unknown, const Scan& scan) const {
    using What = Unknown::What;
    const std::uint32_t replacement = unknown.what_ == What::replace ? id(unknown.with_) : Map::missing;
    Buffer<Id> ids(size);
    Id* out = ids.data();
    const auto put = [&](char32_t c) {
        std::uint32_t id = map_.find(c);
        if (id == Map::missing) {
            if (unknown.what_ == What::skip) return;
            // Nothing was skipped before an error, so the ids written so far count the characters.
            if (unknown.what_ == What::error) throw_unknown(c, static_cast<std::size_t>(out - ids.data()));
            id = replacement;
        }
        *out++ = static_cast<Id>(id);
    };
    const std::uint32_t* const table = map_.bytes();
    const auto put_run = [&](const unsigned char* p, const unsigned char* q) {
        // First as if all were known, without a branch; a run with an unknown character goes again.
        const auto length = static_cast<std::size_t>(q - p);
        std::uint32_t all = 0;
        for (std::size_t i = 0; i < length; ++i) {
            const std::uint32_t id = table[p[i]];
            all |= id;
            out[i] = static_cast<Id>(id);
        }
        if ((all & Map::missing_bit) == 0) {
            out += length;
        } else {
            for (; p != q; ++p) put(*p);
        }
    };
    scan(put_run, put);
    ids.resize(static_cast<std::size_t>(out - ids.data()));
    return ids;
}

template <class Id>
std::string Alphabet::decode_all(std::span<const Id> ids) const {
    std::string text;
    text.reserve(ids.size());
    for (const Id id : ids) append_to(text, id);
    return text;
}

}  // namespace charrnn
#endif
