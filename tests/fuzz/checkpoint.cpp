// libFuzzer: whatever the bytes of a model's file are, they load or are refused with one of the library's errors.

#include <charrnn/io/model_file.hpp>
#include <charrnn/train/checkpoint.hpp>
#include <cstddef>
#include <cstdint>
#include <string>

#include "nn/instances.hpp"

using namespace charrnn;

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
    std::string bytes(reinterpret_cast<const char*>(data), size);
    // A checksum would keep the fuzzer out: where there is one, make it right.
    const std::size_t at = 8 + detail::checksum_prefix.size();
    if (size > at + detail::checksum_digits && bytes.compare(8, at - 8, detail::checksum_prefix) == 0)
        bytes.replace(at, detail::checksum_digits, detail::file_checksum(bytes.data(), bytes.size()));
    try {
        const TensorFile file = TensorFile::parse(bytes, "fuzz", Checksum::optional);
        for (const TensorInfo& t : file.tensors())
            if (t.end > size) __builtin_trap();
        const auto loaded = load_model(file);
        if (loaded.model.in_size() != loaded.alphabet.size()) __builtin_trap();
        (void)read_run_extra(file);
    } catch (const error&) {
    }
    return 0;
}
