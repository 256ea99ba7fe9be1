#pragma once

#include <string_view>

#include <nlohmann/json.hpp>

/// @file
/// The JSON parser, in a header of its own: it takes half a second to compile.

namespace charrnn::detail {

template <class Reader>
bool read_json(std::string_view json, Reader& reader) {
    return nlohmann::json::sax_parse(json.begin(), json.end(), &reader);
}

}  // namespace charrnn::detail
