#include <charrnn/data/onehot.hpp>

#include <doctest/doctest.h>

#include <cstddef>
#include <limits>

namespace onehot_test {

using namespace charrnn;

namespace {
const Alphabet alphabet = Alphabet::from_symbols(U"abc\u20AC\v", U'\v');
}

TEST_CASE("onehot: a single 1 at the character's id") {
    const Vector<float> x = onehot(U'\u20AC', alphabet);
    CHECK((x == Vector<float>{0, 0, 0, 1, 0}));
    CHECK((onehot<double>(U'a', alphabet) == Vector<double>{1, 0, 0, 0, 0}));
    CHECK_THROWS_WITH_AS(onehot(U'z', alphabet), "the alphabet has no 'z'", data_error);
}

TEST_CASE("onehotbatch: a row for each character") {
    CHECK(
        (onehotbatch(U"ba\v", alphabet) == Matrix<float>{{0, 1, 0, 0, 0}, {1, 0, 0, 0, 0}, {0, 0, 0, 0, 1}}));
    CHECK(onehotbatch(U"", alphabet).shape(0) == 0);
    CHECK_THROWS_WITH_AS(onehotbatch(U"baz", alphabet),
                         "the alphabet has no 'z', which the text has at position 2", data_error);
}

TEST_CASE("onecold: back to characters") {
    for (const char32_t c : alphabet.symbols()) CHECK(onecold(onehot(c, alphabet), alphabet) == c);
    CHECK(onecold(onehotbatch(U"cab\u20AC\v", alphabet), alphabet) == U"cab\u20AC\v");
    CHECK(onecold(Matrix<double>{{-3, -1, -2, -1, -5}}, alphabet) == U"b");
}

TEST_CASE("onecold: wrong widths and NaN are refused") {
    CHECK_THROWS_WITH_AS(onecold(Matrix<float>{{1, 0, 0, 0}}, alphabet),
                         "onecold: x is (N, 4), expected V = 5", shape_error);
    CHECK_THROWS_AS(onecold(Vector<float>{1, 0}, alphabet), shape_error);
    const float nan = std::numeric_limits<float>::quiet_NaN();
    CHECK_THROWS_WITH_AS(onecold(Matrix<float>{{1, 0, 0, 0, 0}, {0, nan, 0, 0, 0}}, alphabet),
                         "onecold: row 1 holds a NaN at 1", numeric_error);
}

}  // namespace onehot_test
