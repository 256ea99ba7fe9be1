#include <charrnn/data/lower_case.hpp>

#include <doctest/doctest.h>

namespace lower_case_test {

using namespace charrnn;

TEST_CASE("lower case: Latin, Greek and Cyrillic letters, and nothing else") {
    CHECK(lower_case(Text::from_string("THE Quick, 12[]@`{")).str() == "the quick, 12[]@`{");
    CHECK(lower_case(Text::from_string("ÄÖÜ ÉÞ × ß ΑΣΩ σς ЖЁЯ 漢字")).str() == "äöü éþ × ß ασω σς жёя 漢字");
    CHECK(lower_case(Text::from_string("A\xC4\xFF", Encoding::bytes)).bytes() == "a\xC4\xFF");
    CHECK(lower_case(Text::from_string("A\xFFÄ")).bytes() == "a\xFFä");
    CHECK(lower_case(Text()).empty());
}

}  // namespace lower_case_test
