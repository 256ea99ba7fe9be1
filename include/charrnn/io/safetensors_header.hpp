#pragma once

#include <cstddef>
#include <map>
#include <string>
#include <string_view>
#include <vector>

#include <charrnn/core/error.hpp>
#include <charrnn/core/once.hpp>

/// @file
/// The header of a safetensors file: names, types, shapes and places of its tensors, and metadata. It is untrusted:
/// nothing is believed before it is checked, and what it can make the reader allocate is bounded.

namespace charrnn {

/// A tensor in a file.
struct TensorInfo {
    std::string name;                ///< the tensor's
    std::string dtype;               ///< "F32", "F64", "I32", ...
    std::vector<std::size_t> shape;  ///< empty: a single number
    std::size_t begin = 0;           ///< its bytes, counted from the end of the header
    /// Behind its last byte.
    std::size_t end = 0;

    /// How many bytes it takes.
    [[nodiscard]] std::size_t bytes() const { return end - begin; }
};

/// The header: tensors in the order of their data, and metadata.
struct TensorHeader {
    std::vector<TensorInfo> tensors;              ///< in the order of the file
    std::map<std::string, std::string> metadata;  ///< text by name
};

namespace detail {

/// What a header may be at most. Together they bound the memory that reading one takes, beyond twice its own size, to
/// 1 MiB, whatever it says.
struct HeaderLimits {
    static constexpr std::size_t header = std::size_t{1} << 20U;
    static constexpr std::size_t tensors = 4096;
    static constexpr std::size_t metadata = 4096;
    static constexpr std::size_t name = 512;
    static constexpr std::size_t string = 65536;  // as it is written, with its escapes
    static constexpr std::size_t number = 32;
    static constexpr std::size_t rank = 8;
    static constexpr std::size_t depth = 3;
};

/// A string from a file, fit for a message: short and printable.
std::string in_quotes(std::string_view s);

/// The header from its JSON. Errors: data_error, naming the file and the defect
TensorHeader parse_header(std::string_view json, std::size_t data_bytes, const std::string& file);

}  // namespace detail
}  // namespace charrnn

#ifdef CHARRNN_ONCE
#include <algorithm>
#include <cstdint>
#include <limits>
#include <utility>

#include <nlohmann/json.hpp>

namespace charrnn::detail {

/// The bytes that one number of a type takes, or 0 for a type that safetensors does not have.
CHARRNN_ONCE std::size_t dtype_size(std::string_view dtype) {
    static constexpr std::pair<std::string_view, std::size_t> list[] = {
        {"F64", 8}, {"F32", 4}, {"F16", 2}, {"BF16", 2}, {"I64", 8}, {"I32", 4},  {"I16", 2},
        {"I8", 1},  {"U64", 8}, {"U32", 4}, {"U16", 2},  {"U8", 1},  {"BOOL", 1},
    };
    for (const auto& [name, size] : list)
        if (name == dtype) return size;
    return 0;
}

CHARRNN_ONCE std::string in_quotes(std::string_view s) {
    std::string text = "'";
    for (const char c : s.substr(0, 60))
        text += static_cast<unsigned char>(c) < 0x20 || static_cast<unsigned char>(c) > 0x7E ? '?' : c;
    return text + (s.size() > 60 ? "...'" : "'");
}

/// Takes the header as the JSON parser brings it, and refuses what safetensors does not allow.
class HeaderReader {
  public:
    explicit HeaderReader(TensorHeader& header) : header_(header) {}

    bool null() { return wrong("null"); }
    bool boolean(bool) { return wrong("true or false"); }
    bool number_integer(std::int64_t value) {
        if (!in_numbers()) return wrong("a number");
        return refuse(place() + " has the negative number " + std::to_string(value));
    }
    bool number_unsigned(std::uint64_t value) {
        if (!in_numbers()) return wrong("a number");
        if (value > std::numeric_limits<std::size_t>::max() / 2)
            return refuse(place() + " has the number " + std::to_string(value) + ", which is too large");
        if (key_ == "shape") {
            if (tensor_.shape.size() == HeaderLimits::rank)
                return refuse("the shape of tensor " + in_quotes(tensor_.name) + " has more than " +
                              std::to_string(HeaderLimits::rank) + " extents");
            tensor_.shape.push_back(static_cast<std::size_t>(value));
        } else {
            if (offsets_ == 2)
                return refuse("the data_offsets of tensor " + in_quotes(tensor_.name) + " are more than two");
            (offsets_++ == 0 ? tensor_.begin : tensor_.end) = static_cast<std::size_t>(value);
        }
        return true;
    }
    bool number_float(double, const std::string& text) {
        if (!in_numbers()) return wrong("a number");
        return refuse(place() + " has the number " + in_quotes(text) +
                      (text.find_first_of(".eE") == std::string::npos
                           ? ", which is too large"
                           : ", which is not written as a whole number"));
    }
    bool string(const std::string& value) {
        if (where_ == Where::metadata) {
            header_.metadata[key_] = value;
            return true;
        }
        if (where_ != Where::tensor || key_ != "dtype") return wrong("a string");
        if (dtype_size(value) == 0)
            return refuse("tensor " + in_quotes(tensor_.name) + " has the unknown dtype " + in_quotes(value));
        tensor_.dtype = value;
        return true;
    }
    template <class Binary>
    bool binary(const Binary&) {
        return wrong("binary data");
    }
    bool start_object(std::size_t) {
        if (++depth_ > HeaderLimits::depth) return refuse("the header is nested too deeply");
        if (where_ == Where::nothing) {
            where_ = Where::top;
        } else if (where_ == Where::top) {
            where_ = key_ == "__metadata__" ? Where::metadata : Where::tensor;
            tensor_ = {};
            tensor_.name = key_;
            offsets_ = 0;
            seen_.clear();
        } else {
            return wrong("an object");
        }
        return true;
    }
    bool key(const std::string& name) {
        key_ = name;
        if (name.size() > HeaderLimits::name) return refuse("the header has a name that is too long");
        if (where_ == Where::top) {
            if (name == "__metadata__" && std::exchange(has_metadata_, true))
                return refuse("the header has __metadata__ twice");
            if (++entries_ > HeaderLimits::tensors)
                return refuse("the header has more than " + std::to_string(HeaderLimits::tensors) +
                              " tensors");
            return true;
        }
        if (where_ == Where::metadata) {
            if (header_.metadata.size() == HeaderLimits::metadata)
                return refuse("the metadata has more than " + std::to_string(HeaderLimits::metadata) +
                              " entries");
            if (!header_.metadata.insert({name, ""}).second)
                return refuse("the metadata has " + in_quotes(name) + " twice");
            return true;
        }
        if (name != "dtype" && name != "shape" && name != "data_offsets")
            return refuse("tensor " + in_quotes(tensor_.name) + " has the unknown entry " + in_quotes(name));
        if (std::find(seen_.begin(), seen_.end(), name) != seen_.end())
            return refuse("tensor " + in_quotes(tensor_.name) + " has " + name + " twice");
        seen_.push_back(name);
        return true;
    }
    bool end_object() {
        --depth_;
        if (where_ == Where::tensor) {
            for (const char* entry : {"dtype", "shape", "data_offsets"})
                if (std::find(seen_.begin(), seen_.end(), entry) == seen_.end())
                    return refuse("tensor " + in_quotes(tensor_.name) + " has no " + entry);
            header_.tensors.push_back(std::move(tensor_));
            where_ = Where::top;
        } else if (where_ == Where::metadata) {
            where_ = Where::top;
        }
        return true;
    }
    bool start_array(std::size_t) {
        if (++depth_ > HeaderLimits::depth) return refuse("the header is nested too deeply");
        if (where_ != Where::tensor || (key_ != "shape" && key_ != "data_offsets")) return wrong("a list");
        where_ = Where::numbers;
        return true;
    }
    bool end_array() {
        --depth_;
        where_ = Where::tensor;
        if (key_ == "data_offsets" && offsets_ != 2)
            return refuse("the data_offsets of tensor " + in_quotes(tensor_.name) + " are fewer than two");
        return true;
    }
    template <class Exception>
    bool parse_error(std::size_t position, const std::string&, const Exception&) {
        return refuse("the header is not JSON: wrong at its byte " + std::to_string(position));
    }

    /// Why the parser was stopped.
    [[nodiscard]] const std::string& reason() const { return reason_; }

  private:
    enum class Where { nothing, top, metadata, tensor, numbers };

    bool refuse(std::string reason) {
        reason_ = std::move(reason);
        return false;
    }
    [[nodiscard]] bool in_numbers() const { return where_ == Where::numbers; }
    [[nodiscard]] std::string place() const {
        if (where_ == Where::metadata) return "the metadata's entry " + in_quotes(key_);
        return "the " + key_ + " of tensor " + in_quotes(tensor_.name);
    }
    bool wrong(const std::string& what) {
        switch (where_) {
            case Where::nothing:
                return refuse("the header is " + what + ", expected an object");
            case Where::top:
                return refuse("the header's entry " + in_quotes(key_) + " is " + what +
                              ", expected an object");
            case Where::metadata:
                return refuse(place() + " is " + what + ", expected a string");
            case Where::numbers:
                return refuse(place() + " has " + what + ", expected whole numbers");
            case Where::tensor:
                break;
        }
        return refuse(place() + " is " + what + ", expected " +
                      (key_ == "dtype" ? "a string" : "a list of whole numbers"));
    }

    TensorHeader& header_;
    Where where_ = Where::nothing;
    std::size_t depth_ = 0;
    std::string key_;
    std::size_t entries_ = 0;
    bool has_metadata_ = false;
    std::vector<std::string> seen_;
    TensorInfo tensor_;
    std::size_t offsets_ = 0;
    std::string reason_;
};

/// The parser keeps a whole string or number before it gives it away: none may be longer than is ever needed.
/// What is wrong, or null.
CHARRNN_ONCE const char* too_long(std::string_view json) {
    std::size_t begin = 0;  // of the string, or of what stands between two of JSON's signs
    bool in_string = false;
    for (std::size_t i = 0; i < json.size(); ++i) {
        const char c = json[i];
        if (in_string) {
            if (c == '\\')
                ++i;
            else if (c == '"')
                in_string = false;
            if (i - begin > HeaderLimits::string) return "the header has a string that is too long";
        } else {
            if (c == '"') in_string = true;
            if (in_string || std::string_view(",:[]{} \t\r\n").find(c) != std::string_view::npos)
                begin = i + 1;
            if (i + 1 - begin > HeaderLimits::number) return "the header has a number that is too long";
        }
    }
    return nullptr;
}

/// The tensors must have different names, be as long as their shapes say, and cover the data without overlap or hole.
/// Errors: data_error
CHARRNN_ONCE void check_layout(TensorHeader& header, std::size_t data_bytes, const std::string& file) {
    const auto refuse = [&](const std::string& reason) { throw data_error(file + ": " + reason); };
    std::vector<std::string_view> names;
    names.reserve(header.tensors.size());
    for (const TensorInfo& t : header.tensors) names.emplace_back(t.name);
    std::sort(names.begin(), names.end());
    if (const auto twice = std::adjacent_find(names.begin(), names.end()); twice != names.end())
        refuse("the header has the tensor " + in_quotes(*twice) + " twice");
    for (const TensorInfo& t : header.tensors) {
        const std::string name = "tensor " + in_quotes(t.name);
        if (t.begin > t.end) refuse(name + " ends before it begins");
        if (t.end > data_bytes)
            refuse(name + " ends at byte " + std::to_string(t.end) + " of the data, which has " +
                   std::to_string(data_bytes));
        std::size_t bytes = dtype_size(t.dtype);
        bool empty = false;
        for (const std::size_t extent : t.shape) empty = empty || extent == 0;
        for (const std::size_t extent : t.shape) {
            if (empty) break;
            if (bytes > std::numeric_limits<std::size_t>::max() / extent)
                refuse("the shape of " + name + " has more numbers than memory can hold");
            bytes *= extent;
        }
        if (empty) bytes = 0;
        if (bytes != t.bytes())
            refuse(name + " has " + std::to_string(t.bytes()) +
                   " bytes of data, but its shape and dtype ask for " + std::to_string(bytes));
    }
    std::sort(header.tensors.begin(), header.tensors.end(), [](const auto& a, const auto& b) {
        if (a.begin != b.begin) return a.begin < b.begin;
        return a.end != b.end ? a.end < b.end : a.name < b.name;
    });
    std::size_t at = 0;
    for (const TensorInfo& t : header.tensors) {
        if (t.begin < at) refuse("tensor " + in_quotes(t.name) + " overlaps the one before it");
        if (t.begin > at)
            refuse("there is a hole of " + std::to_string(t.begin - at) + " bytes before tensor " +
                   in_quotes(t.name));
        at = t.end;
    }
    if (at != data_bytes)
        refuse(std::to_string(data_bytes - at) +
               " bytes follow the last tensor, expected the end of the file");
}

CHARRNN_ONCE TensorHeader parse_header(std::string_view json, std::size_t data_bytes,
                                       const std::string& file) {
    const auto refuse = [&](const std::string& reason) { throw data_error(file + ": " + reason); };
    if (json.substr(0, 3) == "\xEF\xBB\xBF") refuse("the header begins with a byte order mark");
    if (json.empty() || json.front() != '{') refuse("the header does not begin with '{'");
    if (json.find('\0') != std::string_view::npos) refuse("the header has a NUL byte");
    const std::size_t last = json.find_last_not_of(' ');
    if (json[last] != '}') refuse("the header does not end with '}' and spaces");
    if (const char* const what = too_long(json)) refuse(what);
    TensorHeader header;
    constexpr std::size_t shortest = 48;  // what a tensor takes in JSON at least
    header.tensors.reserve(std::min(json.size() / shortest + 1, HeaderLimits::tensors));
    HeaderReader reader(header);
    if (!nlohmann::json::sax_parse(json.begin(), json.end(), &reader)) refuse(reader.reason());
    check_layout(header, data_bytes, file);
    return header;
}

}  // namespace charrnn::detail
#endif
