#pragma once

#include <charconv>
#include <cmath>
#include <cstdint>
#include <cstdio>
#include <string>
#include <system_error>

#include <charrnn/core/error.hpp>
#include <charrnn/core/once.hpp>
#include <charrnn/io/safetensors.hpp>

/// @file
/// What a file says beside its tensors: text by name, in which numbers are written exactly and read strictly.

namespace charrnn::detail {

/// A number as text that gives the same number again.
std::string exact(double x);

/// The metadata of a file, read strictly. Errors: data_error, naming the file and the entry
class MetadataReader {
  public:
    explicit MetadataReader(const TensorFile& file) : file_(file) {}

    [[nodiscard]] const std::string* find(const std::string& key) const {
        const auto found = file_.metadata().find(key);
        return found == file_.metadata().end() ? nullptr : &found->second;
    }
    [[nodiscard]] const std::string& text(const std::string& key) const {
        const std::string* value = find(key);
        if (value == nullptr) throw data_error(file_.name() + ": the metadata has no " + in_quotes(key));
        return *value;
    }
    [[nodiscard]] std::uint64_t count(const std::string& key) const {
        return parse<std::uint64_t>(key, "a count");
    }
    [[nodiscard]] double real(const std::string& key) const {
        const double x = parse<double>(key, "a number");
        if (!std::isfinite(x)) throw data_error(file_.name() + ": " + in_quotes(key) + " is not finite");
        return x;
    }
    [[nodiscard]] bool truth(const std::string& key) const {
        const std::string& s = text(key);
        if (s != "true" && s != "false") refuse(key, "true or false");
        return s == "true";
    }

  private:
    [[noreturn]] void refuse(const std::string& key, const char* expected) const {
        throw data_error(file_.name() + ": the metadata's entry " + in_quotes(key) + " is " +
                         in_quotes(text(key)) + ", expected " + expected);
    }
    template <class N>
    [[nodiscard]] N parse(const std::string& key, const char* expected) const {
        const std::string& s = text(key);
        N n{};
        const auto [end, error] = std::from_chars(s.data(), s.data() + s.size(), n);
        if (error != std::errc() || end != s.data() + s.size()) refuse(key, expected);
        return n;
    }

    const TensorFile& file_;
};

}  // namespace charrnn::detail

#ifdef CHARRNN_ONCE
namespace charrnn::detail {

CHARRNN_ONCE std::string exact(double x) {
    char text[40];
    std::snprintf(text, sizeof text, "%.17g", x);
    return text;
}

}  // namespace charrnn::detail
#endif
