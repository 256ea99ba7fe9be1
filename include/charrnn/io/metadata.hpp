#pragma once

#include <cmath>
#include <cstdint>
#include <string>

#include <charrnn/core/error.hpp>
#include <charrnn/core/format.hpp>
#include <charrnn/io/safetensors.hpp>

/// @file
/// What a file says beside its tensors: text by name, read strictly.

namespace charrnn::detail {

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
        const auto n = parsed_count(text(key));
        if (!n) refuse(key, "a count");
        return *n;
    }
    [[nodiscard]] double real(const std::string& key) const {
        const auto x = parsed_number(text(key));
        if (!x) refuse(key, "a number");
        if (!std::isfinite(*x)) throw data_error(file_.name() + ": " + in_quotes(key) + " is not finite");
        return *x;
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

    const TensorFile& file_;
};

}  // namespace charrnn::detail
