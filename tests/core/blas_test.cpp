#include <charrnn/core/blas.hpp>
#include <charrnn/core/machine.hpp>

#include <doctest/doctest.h>

#include <vector>

namespace blas_test {

using namespace charrnn;

TEST_CASE_TEMPLATE("blas: the three products, written and added to", T, float, double) {
    const Matrix<T> a{{1, 2, 3}, {4, 5, 6}};
    const Matrix<T> b{{1, 0}, {2, 1}, {0, 3}};
    const Matrix<T> ab{{5, 11}, {14, 23}};
    const Matrix<T> a_t{{1, 4}, {2, 5}, {3, 6}};
    const Matrix<T> b_t{{1, 2, 0}, {0, 1, 3}};
    Matrix<T> c{{100, 100}, {100, 100}};
    product(a, b, c);
    CHECK((c == ab));
    product(a, b, c, true);
    CHECK((c == T(2) * ab));
    product_at_b(a_t, b, c);
    CHECK((c == ab));
    product_a_bt(a, b_t, c);
    CHECK((c == ab));
}

TEST_CASE("blas: views of parts of arrays") {
    const std::vector<float> a{1, 2, 3, -1, 4, 5, 6, -1};  // (2, 3), rows 4 apart
    const Matrix<float> b{{1, 0}, {2, 1}, {0, 3}};
    std::vector<float> c(6, 7);
    product(View<const float>(a.data(), 2, 3, 4), b, View<float>(c.data(), 2, 2, 3));
    CHECK(c == std::vector<float>{5, 11, 7, 14, 23, 7});
}

TEST_CASE("blas: an empty sum is zero, and no rows are no work") {
    const View<const float> nothing(nullptr, 2, 0);
    Matrix<float> c{{3, 3}, {3, 3}};
    product(nothing, View<const float>(nullptr, 0, 2), c, true);
    CHECK((c == Matrix<float>{{3, 3}, {3, 3}}));
    product(nothing, View<const float>(nullptr, 0, 2), c);
    CHECK((c == Matrix<float>{{0, 0}, {0, 0}}));
    CHECK_NOTHROW(product(View<const float>(nullptr, 0, 2), c, View<float>(nullptr, 0, 2)));
}

TEST_CASE("blas: shapes that do not fit are named") {
    const Matrix<float> a({2, 3}), b({4, 2});
    Matrix<float> c({2, 2});
    CHECK_THROWS_WITH_AS(
        product(a, b, c),
        "product: a is (2, 3), b is (4, 2) and c is (2, 2): the inner extents or the result do not fit",
        shape_error);
    CHECK_THROWS_AS(product_at_b(a, b, c), shape_error);
    CHECK_THROWS_AS(product_a_bt(a, b, c), shape_error);
    Matrix<float> too_small({2, 1});
    CHECK_THROWS_AS(product(a, Matrix<float>({3, 2}), too_small), shape_error);
}

TEST_CASE("blas: the number of threads is put back, and the library has a name") {
    const int before = detail::openblas_get_num_threads();
    {
        const BlasThreads one(1);
        CHECK(detail::openblas_get_num_threads() == 1);
    }
    CHECK(detail::openblas_get_num_threads() == before);
    CHECK(blas_name().find("OpenBLAS ") == 0);
    CHECK(blas_name().back() == ')');
}

}  // namespace blas_test
