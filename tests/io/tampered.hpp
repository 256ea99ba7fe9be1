#pragma once

#include <doctest/doctest.h>

#include <map>
#include <string>
#include <vector>

#include <charrnn/io/atomic_file.hpp>
#include <charrnn/io/safetensors.hpp>

namespace charrnn::test {

using Tensors = std::vector<TensorSource>;
using Metadata = std::map<std::string, std::string>;

/// Write a file again as f(tensors, metadata) leaves it, without a checksum.
template <class F>
void tamper(const std::string& path, const F& f) {
    const TensorFile file = TensorFile::read(path);
    Tensors tensors;
    for (const auto& t : file.tensors())
        tensors.push_back({t.name, t.dtype, t.shape, file.data(t), t.bytes()});
    auto metadata = file.metadata();
    metadata.erase("checksum");
    f(tensors, metadata);
    write_atomically(path, tensor_file_bytes(tensors, metadata));
}

/// That a message says something.
inline void has(const std::string& message, const std::string& part) {
    CAPTURE(message);
    CAPTURE(part);
    CHECK(message.find(part) != std::string::npos);
}

}  // namespace charrnn::test
