#pragma once

#include <cstddef>
#include <string>

namespace charrnn {

/// A number as people read it: 117760 -> "117,760".
inline std::string with_commas(std::size_t n) {
    std::string s = std::to_string(n);
    for (std::size_t at = s.size(); at > 3;) {
        at -= 3;
        s.insert(at, 1, ',');
    }
    return s;
}

}  // namespace charrnn
