#pragma once

#include <cmath>
#include <cstddef>
#include <string>
#include <string_view>

#include <charrnn/core/error.hpp>
#include <charrnn/core/tensor.hpp>
#include <charrnn/data/alphabet.hpp>
#include <charrnn/data/ids.hpp>

/// @file
/// Characters as vectors with a single 1 in them, and back, under Flux's names. For looking at them and for
/// checking layers: training never makes one, since an id says the same.

namespace charrnn {

/// The vector (V) with 1 at the character's id and 0 elsewhere.
/// Errors: data_error if the alphabet lacks the character.
template <class T = float>
Vector<T> onehot(char32_t c, const Alphabet& alphabet) {
    Vector<T> x(typename Vector<T>::shape_type{alphabet.size()}, T(0));
    x(alphabet.id(c)) = T(1);
    return x;
}

/// One row for each character. Flux's matrix is this one transposed, in its column-major memory the same.
/// Shapes: N characters -> (N, V)
/// Errors: data_error, naming character and position, if the alphabet lacks one.
template <class T = float>
Matrix<T> onehotbatch(std::u32string_view text, const Alphabet& alphabet) {
    const Ids ids = alphabet.encode(text);
    Matrix<T> x(typename Matrix<T>::shape_type{ids.size(), alphabet.size()}, T(0));
    for (std::size_t n = 0; n < ids.size(); ++n) x(n, ids[n]) = T(1);
    return x;
}

/// The character of each row's largest number (the first one if it stands there twice), be it a one-hot row,
/// a row of logits or of probabilities. Shapes: (N, V) -> N characters Errors: shape_error if the rows are
/// not V wide; numeric_error if a NaN stands in one.
template <class T>
std::u32string onecold(const Matrix<T>& x, const Alphabet& alphabet) {
    if (x.shape(1) != alphabet.size()) {
        throw shape_error("onecold: x is (N, " + std::to_string(x.shape(1)) +
                          "), expected V = " + std::to_string(alphabet.size()));
    }
    std::u32string text;
    for (std::size_t n = 0; n < x.shape(0); ++n) {
        std::size_t best = 0;
        for (std::size_t v = 0; v < x.shape(1); ++v) {
            if (std::isnan(x(n, v))) {
                throw numeric_error("onecold: row " + std::to_string(n) + " holds a NaN at " +
                                    std::to_string(v));
            }
            if (x(n, v) > x(n, best)) best = v;
        }
        text += alphabet.symbols()[best];
    }
    return text;
}

/// The same for one vector (V). Errors: as for a matrix.
template <class T>
char32_t onecold(const Vector<T>& x, const Alphabet& alphabet) {
    Matrix<T> row(typename Matrix<T>::shape_type{1, x.size()});
    for (std::size_t v = 0; v < x.size(); ++v) row(0, v) = x(v);
    return onecold(row, alphabet)[0];
}

}  // namespace charrnn
