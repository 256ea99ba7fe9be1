// libFuzzer: the alphabet of any text encodes it, decodes it to the same bytes, and comes back from its symbols.

#include <charrnn/data/alphabet.hpp>
#include <cstddef>
#include <cstdint>
#include <string>

using namespace charrnn;

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
    if (size < 2) return 0;
    const Encoding encoding = (data[0] & 1U) != 0 ? Encoding::bytes : Encoding::utf8;
    const SymbolOrder order = (data[0] & 2U) != 0 ? SymbolOrder::sorted : SymbolOrder::first_seen;
    const std::size_t half = (data[0] & 4U) != 0 ? 1 + (size - 1) / 2 : size;
    const std::string bytes(reinterpret_cast<const char*>(data) + 1, half - 1);
    const std::string other(reinterpret_cast<const char*>(data) + half, size - half);
    try {
        const Text text = Text::from_string(bytes, encoding);
        const Alphabet alphabet(text, AlphabetOptions{.order = order, .stop = U'\v'});
        const Ids ids = alphabet.encode(text);
        if (ids.size() != text.size() || alphabet.decode(ids) != bytes) __builtin_trap();
        for (std::size_t i = 0; i < ids.size(); ++i)
            if (ids[i] >= alphabet.size()) __builtin_trap();
        if (!(Alphabet::from_symbols(alphabet.symbols(), alphabet.stop(), encoding) == alphabet))
            __builtin_trap();
        if (alphabet.encode(std::string_view(other), Unknown::skip()).size() > other.size()) __builtin_trap();
        (void)alphabet.encode(std::string_view(other));
    } catch (const error&) {
    }
    return 0;
}
