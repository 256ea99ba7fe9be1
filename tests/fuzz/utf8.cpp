// libFuzzer: any bytes are characters, as many as are counted, and come back as they were.

#include <charrnn/data/text.hpp>
#include <cstddef>
#include <cstdint>
#include <string>

using namespace charrnn;

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
    const std::string bytes(reinterpret_cast<const char*>(data), size);
    for (const Encoding encoding : {Encoding::utf8, Encoding::bytes}) {
        std::string again;
        std::size_t count = 0;
        const auto put = [&](char32_t c) {
            ++count;
            if (encoding == Encoding::bytes)
                again += static_cast<char>(static_cast<unsigned char>(c));
            else
                append_utf8(again, c);
        };
        detail::scan(
            bytes, encoding,
            [&](const unsigned char* p, const unsigned char* q) {
                for (; p != q; ++p) put(*p);
            },
            put);
        if (again != bytes || count != count_code_points(bytes, encoding)) __builtin_trap();
    }
    return 0;
}
