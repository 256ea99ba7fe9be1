#pragma once

#include <algorithm>
#include <concepts>
#include <cstddef>
#include <cstdint>
#include <cstdio>
#include <cstring>
#include <map>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include <charrnn/core/buffer.hpp>
#include <charrnn/core/error.hpp>
#include <charrnn/core/once.hpp>
#include <charrnn/data/utf8.hpp>
#include <charrnn/io/crc32.hpp>
#include <charrnn/io/file_system.hpp>
#include <charrnn/io/safetensors_header.hpp>

/// @file
/// The safetensors format, in which a model is one file: eight bytes with the length of a header, the header in JSON,
/// the data. docs/checkpoint-format.md has the details.
///
/// The numbers are little-endian, as are all machines that this library runs on.

namespace charrnn {

/// Whether a file must have a checksum. Files of other programs (PyTorch's) have none; if there is one, it must be
/// right in either case.
enum class Checksum { required, optional };

namespace detail {

/// A file that has a checksum begins its header so; eight hexadecimal digits and a quote follow.
inline constexpr std::string_view checksum_prefix = R"({"__metadata__":{"checksum":"crc32:)";
inline constexpr std::size_t checksum_digits = 8;

/// The dtype of a C++ type.
template <class T>
constexpr const char* dtype_of() {
    if constexpr (std::same_as<T, double>) return "F64";
    if constexpr (std::same_as<T, float>) return "F32";
    if constexpr (std::same_as<T, std::int32_t>) return "I32";
    return "";
}

std::string shape_text(const std::vector<std::size_t>& shape);

}  // namespace detail

/// The tensors of a file, in memory, checked: header, extents, and checksum.
///
/// Memory: at most twice the file's bytes, and 1 MiB for what a header may describe.
/// Errors: io_error where the file cannot be read; data_error, naming the file and the defect, for anything in it
///         that is not as it must be
class TensorFile {
  public:
    /// Read a file.
    static TensorFile read(const std::string& path, Checksum checksum = Checksum::required,
                           FileSystem& files = FileSystem::real());
    /// The same for bytes in memory; `name` is for messages.
    static TensorFile parse(std::string_view bytes, const std::string& name,
                            Checksum checksum = Checksum::required);

    /// The path it came from.
    [[nodiscard]] const std::string& name() const { return name_; }
    /// The tensors in the order of their data.
    [[nodiscard]] const std::vector<TensorInfo>& tensors() const { return header_.tensors; }
    [[nodiscard]] const std::map<std::string, std::string>& metadata() const { return header_.metadata; }

    [[nodiscard]] const TensorInfo* find(std::string_view name) const;
    /// A tensor. Errors: data_error if there is none of that name
    [[nodiscard]] const TensorInfo& at(const std::string& name) const;
    /// Its bytes, `bytes()` of them.
    [[nodiscard]] const char* data(const TensorInfo& t) const { return bytes_.data() + data_at_ + t.begin; }

    /// That a tensor is of this type and shape. Errors: data_error if it is not, or is missing
    template <class T>
    const TensorInfo& check(const std::string& name, const std::vector<std::size_t>& shape) const {
        const TensorInfo& t = at(name);
        if (t.dtype != detail::dtype_of<T>())
            throw data_error(name_ + ": tensor " + detail::in_quotes(name) + " is of dtype " + t.dtype +
                             ", expected " + detail::dtype_of<T>());
        if (t.shape != shape)
            throw data_error(name_ + ": tensor " + detail::in_quotes(name) + " has the shape " +
                             detail::shape_text(t.shape) + ", expected " + detail::shape_text(shape));
        return t;
    }
    /// Write a tensor's numbers to `out`. Errors: as check
    template <class T>
    void copy(const std::string& name, const std::vector<std::size_t>& shape, T* out) const {
        const TensorInfo& t = check<T>(name, shape);
        if (t.bytes() > 0) std::memcpy(out, data(t), t.bytes());
    }

  private:
    TensorFile(Buffer<char> bytes, std::string name, Checksum checksum);

    /// Only the header and the extents have been believed so far, and only to find out that they fit.
    void check_sum(std::string_view json, Checksum checksum) const;

    /// All bytes of a file; its size and header are looked at before memory is taken for the rest.
    static Buffer<char> read_file(const std::string& path, FileSystem& files);

    Buffer<char> bytes_;
    std::string name_;
    TensorHeader header_;
    std::size_t data_at_ = 0;
};

/// A tensor to be written: its numbers stay where they are.
struct TensorSource {
    std::string name;
    std::string dtype;
    std::vector<std::size_t> shape;
    const void* data = nullptr;
    std::size_t bytes = 0;

    template <class T>
    static TensorSource of(std::string name, std::vector<std::size_t> shape, const T* data,
                           std::size_t count) {
        return {std::move(name), detail::dtype_of<T>(), std::move(shape), data, count * sizeof(T)};
    }
};

/// The bytes of a file with these tensors, in this order, and metadata, with a checksum.
/// Errors: data_error if a reader would refuse it (a name twice, too many entries, text that is not UTF-8)
std::string tensor_file_bytes(const std::vector<TensorSource>& tensors,
                              const std::map<std::string, std::string>& metadata);

}  // namespace charrnn

#ifdef CHARRNN_ONCE
namespace charrnn {

namespace detail {

/// The checksum of a whole file's bytes, with its own digits taken to be zeros.
CHARRNN_ONCE std::string file_checksum(const char* bytes, std::size_t n) {
    const std::size_t at = 8 + checksum_prefix.size();
    const std::string zeros(checksum_digits, '0');
    std::uint32_t c = crc32(bytes, at);
    c = crc32(zeros.data(), zeros.size(), c);
    c = crc32(bytes + at + checksum_digits, n - at - checksum_digits, c);
    char text[16];
    std::snprintf(text, sizeof text, "%08lx", static_cast<unsigned long>(c));
    return text;
}

CHARRNN_ONCE std::uint64_t load_length(const char* bytes) {
    std::uint64_t n = 0;
    for (std::size_t i = 0; i < 8; ++i)
        n |= static_cast<std::uint64_t>(static_cast<unsigned char>(bytes[i])) << (8 * i);
    return n;
}

/// The length of the header of a file of so many bytes, from its first eight.
/// Errors: data_error, naming the file, where it cannot be
CHARRNN_ONCE std::size_t header_length(const char* first_eight, std::size_t file_bytes,
                                       const std::string& file) {
    const std::uint64_t n = load_length(first_eight);
    if (n > HeaderLimits::header)
        throw data_error(file + ": the header is said to have " + std::to_string(n) +
                         " bytes, expected at most " + std::to_string(HeaderLimits::header) +
                         "; is it a safetensors file?");
    if (n > file_bytes - 8)
        throw data_error(file + ": the header is said to have " + std::to_string(n) + " bytes, but only " +
                         std::to_string(file_bytes - 8) + " bytes follow; the file has been cut off");
    if (n < 2) throw data_error(file + ": the header is empty");
    return static_cast<std::size_t>(n);
}

CHARRNN_ONCE std::string shape_text(const std::vector<std::size_t>& shape) {
    std::string s = "(";
    for (std::size_t i = 0; i < shape.size(); ++i) {
        if (i > 0) s += ", ";
        s += std::to_string(shape[i]);
    }
    return s + ")";
}

}  // namespace detail

CHARRNN_ONCE TensorFile TensorFile::read(const std::string& path, Checksum checksum, FileSystem& files) {
    return TensorFile(read_file(path, files), path, checksum);
}

CHARRNN_ONCE TensorFile TensorFile::parse(std::string_view bytes, const std::string& name,
                                          Checksum checksum) {
    Buffer<char> copy(bytes.begin(), bytes.end());
    return TensorFile(std::move(copy), name, checksum);
}

CHARRNN_ONCE const TensorInfo* TensorFile::find(std::string_view name) const {
    for (const TensorInfo& t : header_.tensors)
        if (t.name == name) return &t;
    return nullptr;
}

CHARRNN_ONCE const TensorInfo& TensorFile::at(const std::string& name) const {
    const TensorInfo* t = find(name);
    if (t == nullptr) throw data_error(name_ + ": there is no tensor " + detail::in_quotes(name));
    return *t;
}

CHARRNN_ONCE TensorFile::TensorFile(Buffer<char> bytes, std::string name, Checksum checksum)
    : bytes_(std::move(bytes)), name_(std::move(name)) {
    if (bytes_.size() < 8)
        throw data_error(name_ + ": the file has " + std::to_string(bytes_.size()) +
                         " bytes, expected at least 8; it has been cut off");
    const std::size_t length = detail::header_length(bytes_.data(), bytes_.size(), name_);
    data_at_ = 8 + length;
    const std::string_view json(bytes_.data() + 8, length);
    header_ = detail::parse_header(json, bytes_.size() - data_at_, name_);
    check_sum(json, checksum);
}

CHARRNN_ONCE void TensorFile::check_sum(std::string_view json, Checksum checksum) const {
    const auto found = header_.metadata.find("checksum");
    if (found == header_.metadata.end()) {
        if (checksum == Checksum::optional) return;
        throw data_error(name_ + ": there is no checksum, so damage would not be seen");
    }
    if (json.substr(0, detail::checksum_prefix.size()) != detail::checksum_prefix ||
        found->second.size() != 6 + detail::checksum_digits)
        throw data_error(name_ + ": the checksum is not at the header's beginning, where it must be");
    if (found->second.substr(6) != detail::file_checksum(bytes_.data(), bytes_.size()))
        throw data_error(name_ + ": the checksum is wrong: the file is damaged");
}

CHARRNN_ONCE Buffer<char> TensorFile::read_file(const std::string& path, FileSystem& files) {
    const detail::OpenFile file(path, files);
    char first[8] = {};
    const std::size_t size = file.size();
    if (size < 8)
        throw data_error(path + ": the file has " + std::to_string(size) +
                         " bytes, expected at least 8; it has been cut off");
    file.read(first, 8);
    const std::size_t length = detail::header_length(first, size, path);
    {
        std::string json(length, '\0');
        file.read(json.data(), length);
        (void)detail::parse_header(json, size - 8 - length, path);
    }
    Buffer<char> bytes(size);
    file.rewind();
    file.read(bytes.data(), size);
    return bytes;
}

namespace detail {

CHARRNN_ONCE void append_json(std::string& out, std::string_view s) {
    out += '"';
    for (const char c : s) {
        if (c == '"' || c == '\\') out += '\\';
        if (static_cast<unsigned char>(c) < 0x20) {
            char text[8];
            std::snprintf(text, sizeof text, "\\u%04x", static_cast<unsigned>(static_cast<unsigned char>(c)));
            out += text;
        } else {
            out += c;
        }
    }
    out += '"';
}

}  // namespace detail

CHARRNN_ONCE std::string tensor_file_bytes(const std::vector<TensorSource>& tensors,
                                           const std::map<std::string, std::string>& metadata) {
    std::string json(detail::checksum_prefix);
    json += std::string(detail::checksum_digits, '0') + '"';
    for (const auto& [key, value] : metadata) {
        for (const char32_t c : decode(key + value))
            if (detail::is_escape(c))
                throw data_error("the metadata's entry " + detail::in_quotes(key) + ", " +
                                 detail::in_quotes(value) + ", cannot be saved: expected UTF-8");
        json += ',';
        detail::append_json(json, key);
        json += ':';
        detail::append_json(json, value);
    }
    json += '}';
    std::size_t at = 0;
    for (const TensorSource& t : tensors) {
        json += ',';
        detail::append_json(json, t.name);
        json += ":{\"dtype\":\"" + t.dtype + "\",\"shape\":[";
        for (std::size_t i = 0; i < t.shape.size(); ++i) {
            if (i > 0) json += ',';
            json += std::to_string(t.shape[i]);
        }
        json += "],\"data_offsets\":[" + std::to_string(at) + "," + std::to_string(at + t.bytes) + "]}";
        at += t.bytes;
    }
    json += '}';
    json.resize(round_up(json.size(), 8), ' ');
    if (json.size() > detail::HeaderLimits::header)
        throw data_error("what is to be saved needs a header of " + std::to_string(json.size()) +
                         " bytes, expected at most " + std::to_string(detail::HeaderLimits::header));
    (void)detail::parse_header(json, at, "what is to be saved");

    std::string bytes;
    bytes.reserve(8 + json.size() + at);
    for (std::size_t i = 0; i < 8; ++i)
        bytes +=
            static_cast<char>(static_cast<unsigned char>(static_cast<std::uint64_t>(json.size()) >> (8 * i)));
    bytes += json;
    for (const TensorSource& t : tensors) bytes.append(static_cast<const char*>(t.data), t.bytes);
    const std::string checksum = detail::file_checksum(bytes.data(), bytes.size());
    std::copy(checksum.begin(), checksum.end(),
              bytes.begin() + static_cast<std::ptrdiff_t>(8 + detail::checksum_prefix.size()));
    return bytes;
}

}  // namespace charrnn
#endif
