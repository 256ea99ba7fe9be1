#include <doctest/doctest.h>

#include <charrnn/io/crc32.hpp>
#include <string>

namespace crc32_test {

using namespace charrnn;

TEST_CASE("the check value of CRC-32, and any way of cutting the bytes") {
    const std::string s = "123456789";
    CHECK(crc32(s.data(), s.size()) == 0xCBF43926U);
    CHECK(crc32(s.data(), 0) == 0);
    std::string longer;
    for (int i = 0; i < 1000; ++i) longer += static_cast<char>(i * 7);
    const std::uint32_t whole = crc32(longer.data(), longer.size());
    for (std::size_t cut = 0; cut <= longer.size(); cut += 13)
        CHECK(crc32(longer.data() + cut, longer.size() - cut, crc32(longer.data(), cut)) == whole);
}

}  // namespace crc32_test
