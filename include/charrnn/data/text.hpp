#pragma once

#include <cstddef>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <utility>

#include <charrnn/core/error.hpp>
#include <charrnn/core/once.hpp>
#include <charrnn/data/utf8.hpp>

/// @file
/// A text: the bytes of a file or a string, seen as characters.

namespace charrnn {

class Text;
/// The text of a file, exactly as it stands there: no byte is dropped, no line end or byte order mark
/// altered.
///
/// A regular file is mapped, not copied, so private memory does not grow with it; it must not be cut short
/// while a Text refers to it (touching the lost pages is a SIGBUS). Anything else (a pipe, /dev/stdin, a file
/// under /proc) is read to its end into memory.
/// Errors: io_error if it is missing, a directory or unreadable; data_error if it is empty, and, in utf8, if
///         it holds a NUL byte (a binary file: Encoding::bytes reads it).
Text read_text(const std::string& path, Encoding encoding = Encoding::utf8);

/// A piece of text in shared, immutable storage: copies and slices cost no memory. Positions and sizes count
/// characters: code points (utf8, see utf8.hpp for malformed bytes) or bytes.
class Text {
  public:
    /// An empty text.
    Text() = default;
    /// The text that a string holds; it may be empty and may hold NULs. Errors: none.
    static Text from_string(std::string text, Encoding encoding = Encoding::utf8);

    /// How many characters it has; counted when the text was made.
    std::size_t size() const noexcept { return size_; }
    /// Whether it has no character.
    bool empty() const noexcept { return size_ == 0; }

    /// Its bytes, valid as long as this Text, a copy or a slice of it lives.
    std::string_view bytes() const noexcept { return bytes_; }
    /// What a character is: a code point or a byte.
    Encoding encoding() const noexcept { return encoding_; }

    /// Calls f(c) with each character's code point (or byte) in order.
    template <class F>
    void for_each(F&& f) const {
        for_each_code_point(bytes_, encoding_, f);
    }

    /// Its bytes as a string of their own.
    std::string str() const { return std::string(bytes_); }

    /// Its characters, four bytes each: for small texts and for looking at them.
    std::u32string to_u32() const;

    /// The characters first .. first + count - 1 (to the end without a count), in the same storage. Finding
    /// them takes a pass over the text before them, unless every character is one byte.
    /// Errors: value_error if the text has fewer.
    Text slice(std::size_t first, std::optional<std::size_t> count = std::nullopt) const;

    /// The first `count` characters. Errors: value_error if the text has fewer.
    Text head(std::size_t count) const { return slice(0, count); }

    /// The last `count` characters. Errors: value_error if the text has fewer.
    Text tail(std::size_t count) const;

    /// The byte offset of the first byte that is not well-formed UTF-8; none in byte mode.
    std::optional<std::size_t> find_invalid() const;

  private:
    friend Text read_text(const std::string& path, Encoding encoding);

    Text(std::shared_ptr<const void> storage, std::string_view bytes, std::size_t size, Encoding encoding)
        : storage_(std::move(storage)), bytes_(bytes), size_(size), encoding_(encoding) {}

    std::size_t offset(std::string_view bytes, std::size_t count) const {
        return size_ == bytes_.size() ? count : offset_of_code_point(bytes, count);
    }

    std::shared_ptr<const void> storage_;  // the string, or the mapping
    std::string_view bytes_;
    std::size_t size_ = 0;
    Encoding encoding_ = Encoding::utf8;
};

}  // namespace charrnn

#ifdef CHARRNN_ONCE
#include <fcntl.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cerrno>
#include <system_error>

namespace charrnn {

CHARRNN_ONCE Text Text::from_string(std::string text, Encoding encoding) {
    auto owned = std::make_shared<const std::string>(std::move(text));
    const std::string_view bytes = *owned;
    return Text(std::move(owned), bytes, count_code_points(bytes, encoding), encoding);
}

CHARRNN_ONCE std::u32string Text::to_u32() const {
    std::u32string text(size_, U'\0');
    auto out = text.begin();
    for_each([&out](char32_t c) { *out++ = c; });
    return text;
}

CHARRNN_ONCE Text Text::slice(std::size_t first, std::optional<std::size_t> count) const {
    if (first > size_ || (count && *count > size_ - first)) {
        throw value_error("Text: no " + (count ? std::to_string(*count) + " " : std::string()) +
                          "characters from " + std::to_string(first) + " on in a text of " +
                          std::to_string(size_));
    }
    const std::size_t length = count.value_or(size_ - first);
    const std::size_t from = offset(bytes_, first);
    const std::string_view rest = bytes_.substr(from);
    const std::size_t to = first + length == size_ ? rest.size() : offset(rest, length);
    return Text(storage_, rest.substr(0, to), length, encoding_);
}

CHARRNN_ONCE Text Text::tail(std::size_t count) const {
    if (count > size_) {
        throw value_error("Text: no last " + std::to_string(count) + " characters in a text of " +
                          std::to_string(size_));
    }
    return slice(size_ - count);
}

CHARRNN_ONCE std::optional<std::size_t> Text::find_invalid() const {
    if (encoding_ == Encoding::bytes || bytes_.empty()) return std::nullopt;
    const unsigned char* const begin = detail::as_bytes(bytes_.data());
    const unsigned char* const end = begin + bytes_.size();
    for (const unsigned char* p = begin; p != end;) {
        if (end - p >= 8 && detail::eight_ascii(p)) {
            p += 8;
            continue;
        }
        char32_t c;
        const unsigned char* const next = decode_one(p, end, c);
        if (detail::is_escape(c)) return static_cast<std::size_t>(p - begin);
        p = next;
    }
    return std::nullopt;
}

namespace detail {

[[noreturn]] CHARRNN_ONCE void cannot_read(const std::string& path, const std::string& reason) {
    throw io_error("cannot read '" + path + "': " + reason);
}

[[noreturn]] CHARRNN_ONCE void cannot_read(const std::string& path, int error_number) {
    cannot_read(path, std::generic_category().message(error_number));
}

/// An open file, closed at the end of the scope.
class Descriptor {
  public:
    explicit Descriptor(const std::string& path) : value_(::open(path.c_str(), O_RDONLY | O_CLOEXEC)) {
        if (value_ < 0) cannot_read(path, errno);
    }
    Descriptor(const Descriptor&) = delete;
    Descriptor& operator=(const Descriptor&) = delete;
    ~Descriptor() { ::close(value_); }
    int get() const noexcept { return value_; }

  private:
    int value_;
};

CHARRNN_ONCE std::string read_to_end(const Descriptor& file, const std::string& path) {
    std::string bytes;
    const auto block = std::make_unique<char[]>(1U << 16U);
    for (;;) {
        const ::ssize_t got = ::read(file.get(), block.get(), 1U << 16U);
        if (got == 0) return bytes;
        if (got > 0) {
            bytes.append(block.get(), static_cast<std::size_t>(got));
        } else if (errno != EINTR) {
            cannot_read(path, errno);
        }
    }
}

/// The file's pages, unmapped with the last owner; null if this kind of file cannot be mapped.
CHARRNN_ONCE std::shared_ptr<const void> map_file(const Descriptor& file, std::size_t size) {
    void* const pages = ::mmap(nullptr, size, PROT_READ, MAP_PRIVATE, file.get(), 0);
    if (pages == MAP_FAILED) return nullptr;
    return std::shared_ptr<const void>(pages, [pages, size](const void*) { ::munmap(pages, size); });
}

}  // namespace detail

CHARRNN_ONCE Text read_text(const std::string& path, Encoding encoding) {
    const detail::Descriptor file(path);
    struct ::stat status {};
    if (::fstat(file.get(), &status) != 0) detail::cannot_read(path, errno);
    if (S_ISDIR(status.st_mode)) detail::cannot_read(path, "it is a directory");

    std::shared_ptr<const void> storage;
    std::string_view bytes;
    if (S_ISREG(status.st_mode) && status.st_size > 0) {
        const auto size = static_cast<std::size_t>(status.st_size);
        storage = detail::map_file(file, size);
        if (storage) bytes = std::string_view(static_cast<const char*>(storage.get()), size);
    }
    if (!storage) {
        auto owned = std::make_shared<const std::string>(detail::read_to_end(file, path));
        bytes = *owned;
        storage = std::move(owned);
    }

    if (bytes.empty()) throw data_error("'" + path + "': the text is empty");
    if (encoding == Encoding::utf8) {
        if (const std::size_t nul = bytes.find('\0'); nul != std::string_view::npos) {
            throw data_error("'" + path + "' looks like a binary file: it has a NUL byte at offset " +
                             std::to_string(nul) + "; read it with Encoding::bytes");
        }
    }
    return Text(std::move(storage), bytes, count_code_points(bytes, encoding), encoding);
}

}  // namespace charrnn
#endif
