#pragma once

#include <cstddef>
#include <cstdint>
#include <span>
#include <string>
#include <utility>
#include <variant>
#include <vector>

#include <charrnn/core/buffer.hpp>
#include <charrnn/core/error.hpp>
#include <charrnn/core/once.hpp>

/// @file
/// An encoded text: one small integer a character.

namespace charrnn {

/// The ids of a text's characters in order, each in as few bytes (1, 2 or 4) as the alphabet's size asks for.
class Ids {
  public:
    Ids() = default;
    /// Takes over ids of uint8_t, uint16_t or uint32_t.
    template <class Id>
    explicit Ids(Buffer<Id> ids) : ids_(std::move(ids)) {}
    /// A copy of them.
    template <class Id>
    explicit Ids(const std::vector<Id>& ids) : ids_(Buffer<Id>(ids.begin(), ids.end())) {}

    /// Calls f with the ids as a std::span of const uint8_t, uint16_t or uint32_t and returns what it
    /// returns.
    template <class F>
    decltype(auto) visit(F&& f) const {
        // Not std::visit: it may throw for a variant without a value, which this one cannot be.
        if (const auto* one = std::get_if<Buffer<std::uint8_t>>(&ids_)) return f(std::span(*one));
        if (const auto* two = std::get_if<Buffer<std::uint16_t>>(&ids_)) return f(std::span(*two));
        const auto* four = std::get_if<Buffer<std::uint32_t>>(&ids_);
        if (four == nullptr) __builtin_unreachable();
        return f(std::span(*four));
    }

    /// How many ids there are.
    std::size_t size() const noexcept {
        return visit([](auto ids) noexcept { return ids.size(); });
    }
    /// Whether there is none.
    bool empty() const noexcept { return size() == 0; }

    /// How many bytes one id takes: 1, 2 or 4.
    std::size_t width() const noexcept {
        return visit([](auto ids) noexcept { return sizeof(ids[0]); });
    }

    /// The id at a position, which must be less than size(). Not checked: for loops prefer copy or visit.
    std::uint32_t operator[](std::size_t position) const noexcept {
        return visit([position](auto ids) noexcept { return static_cast<std::uint32_t>(ids[position]); });
    }

    /// Writes the ids first .. first + count - 1 to out[0 .. count). Errors: value_error if there are fewer.
    void copy(std::size_t first, std::size_t count, std::uint32_t* out) const;

    /// The same ids in the same width.
    friend bool operator==(const Ids& a, const Ids& b);

  private:
    // Huge pages, where there are: a large text's ids are touched for the first time while they are made.
    std::variant<Buffer<std::uint8_t>, Buffer<std::uint16_t>, Buffer<std::uint32_t>> ids_;
};

}  // namespace charrnn

#ifdef CHARRNN_ONCE
namespace charrnn {

CHARRNN_ONCE void Ids::copy(std::size_t first, std::size_t count, std::uint32_t* out) const {
    if (first > size() || count > size() - first) {
        throw value_error("Ids: no " + std::to_string(count) + " ids from " + std::to_string(first) +
                          " on among " + std::to_string(size()));
    }
    visit([=](auto ids) {
        for (std::size_t i = 0; i < count; ++i) out[i] = ids[first + i];
    });
}

CHARRNN_ONCE bool operator==(const Ids& a, const Ids& b) { return a.ids_ == b.ids_; }

}  // namespace charrnn
#endif
