#pragma once

#include <cstddef>
#include <cstdint>
#include <cstdio>
#include <string>

#include <charrnn/data/batch.hpp>
#include <charrnn/io/crc32.hpp>

namespace charrnn::detail {

/// Sizes and a hash of all that a source gives: two sources that train alike have the same. One pass over the data.
template <BatchSource S>
std::string fingerprint(const S& source) {
    std::uint32_t c = 0;
    std::size_t characters = 0;
    if constexpr (requires { source.ids().visit([](auto) {}); }) {
        source.ids().visit([&](auto ids) {
            c = crc32(ids.data(), ids.size_bytes());
            characters = ids.size();
        });
    } else {
        Batch batch;
        for (std::size_t i = 0; i < source.windows(); ++i) {
            source.fill(i, batch);
            c = crc32(batch.inputs.data(), batch.inputs.size() * sizeof(std::uint32_t), c);
            c = crc32(batch.targets.data(), batch.targets.size() * sizeof(std::uint32_t), c);
            c = crc32(batch.begins.data(), batch.begins.size(), c);
            characters += batch.count;
        }
    }
    char hash[16];
    std::snprintf(hash, sizeof hash, "%08lx", static_cast<unsigned long>(c));
    return std::to_string(characters) + " characters with the hash " + hash + ", " +
           std::to_string(source.alphabet_size()) + " different, in " + std::to_string(source.lanes()) +
           " lanes, " + std::to_string(source.windows()) + " windows of " + std::to_string(source.window());
}

}  // namespace charrnn::detail
