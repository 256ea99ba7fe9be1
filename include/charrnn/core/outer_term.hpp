#pragma once

#include <charrnn/core/packed_matrix.hpp>
#include <charrnn/core/view.hpp>

namespace charrnn {

/// One of the matrices A that are multiplied with the same B, and where its product goes.
template <class T>
struct OuterTerm {
    View<const T> a;  ///< (R, M)
    View<T> c;        ///< (M, N)
    /// The vectors of C's rows that are wanted. The others may be written or not, whichever is quicker.
    Stripes wanted = {};
};

}  // namespace charrnn
