#pragma once

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <span>
#include <vector>

#include <charrnn/core/packed_matrix.hpp>
#include <charrnn/core/simd.hpp>
#include <charrnn/core/view.hpp>

namespace charrnn {

/// The rows of a window over which gradients are summed, in groups of neighbouring lanes. Each group is summed by itself,
/// and then the groups in their order: so a thread sums over the lanes that it took through time, which are near, and
/// not over what another core has written. How many groups there are depends on the lanes alone, and no sum on the threads.
class SumGroups {
    static constexpr std::size_t least_lanes = 8;

  public:
    static constexpr std::size_t most = 2;  ///< groups

    /// The groups of the largest window. Rows of the same step stand side by side, and steps in their order.
    explicit SumGroups(const Extent& extent) {
        const std::size_t groups = extent.lanes < most * least_lanes ? 1 : most;
        for (std::size_t g = 0; g < groups; ++g) {
            const Lanes lanes = Lanes::of(extent.lanes, g, groups);
            Group& group = groups_.emplace_back(Group{lanes.count, {}});
            group.rows.reserve(extent.steps * lanes.count);
            for (std::size_t t = 0; t < extent.steps; ++t)
                for (std::size_t n = 0; n < lanes.count; ++n)
                    group.rows.push_back(static_cast<std::uint32_t>(t * extent.lanes + lanes.first + n));
        }
    }

    /// How many groups there are.
    [[nodiscard]] std::size_t size() const { return groups_.size(); }
    /// The rows of a group in a window of `steps` steps, ascending.
    [[nodiscard]] std::span<const std::uint32_t> rows(std::size_t group, std::size_t steps) const {
        return std::span(groups_[group].rows).first(steps * groups_[group].lanes);
    }

    /// Call f(group, share of n items) for this part of all the groups' items.
    template <class F>
    void for_each(Part part, std::size_t n, const F& f) const {
        const std::size_t begin = part.begin(size() * n), end = part.end(size() * n);
        for (std::size_t g = 0; g < size(); ++g) {
            const Range share{std::clamp(begin, g * n, (g + 1) * n) - g * n,
                              std::clamp(end, g * n, (g + 1) * n) - g * n};
            if (share.first < share.last) f(g, share);
        }
    }

  private:
    struct Group {
        std::size_t lanes;
        std::vector<std::uint32_t> rows;
    };
    std::vector<Group> groups_;
};

/// to = first + second, `count` scalars.
template <class T>
inline void add_run(const T* first, const T* second, std::size_t count, T* to) {
    using V = simd::Pack<T, 16>;
    std::size_t i = 0;
    for (; i + V::size <= count; i += V::size) (V::load(first + i) + V::load(second + i)).store(to + i);
    for (; i < count; ++i) to[i] = first[i] + second[i];
}

/// to = the sum of `count` scalars of each group, which from(sums) points to; `groups`: the sums of each.
template <class T, class Sums, class F>
void add_up(const std::vector<Sums>& groups, const F& from, std::size_t count, T* to) {
    static_assert(SumGroups::most == 2);
    if (groups.size() == 1)
        copy_run(from(groups[0]), count, to);
    else
        add_run(from(groups[0]), from(groups[1]), count, to);
}

/// Some rows of a matrix = the sums of all groups, of which from(sums) gives each one's OuterSums: the columns order[i] of a
/// row are the vector stripes(i), for those of them that lie in `vectors`.
template <class T, class Sums, class F>
void add_up(const std::vector<Sums>& groups, const F& from, const std::vector<ColumnRun>& order,
            const Stripes& stripes, Range vectors, Range rows, T* to, std::size_t ld) {
    // So many rows of a vector, which stand side by side in the sums, and then of the next, while the rows that are written
    // are near.
    constexpr std::size_t together = 16;
    const std::size_t last = std::min(order.size(), stripes.before(vectors.last));
    for (std::size_t row = rows.first, end = row; row < rows.last; row = end) {
        end = std::min(rows.last, (row / together + 1) * together);
        for (std::size_t v = stripes.before(vectors.first); v < last; ++v) {
            const std::size_t vector = stripes(v), step = from(groups[0]).ld();
            const T* const first = from(groups[0]).at(row, vector);
            T* const out = to + row * ld + order[v].first;
            if (groups.size() == 1) {
                for (std::size_t r = 0; r < end - row; ++r)
                    copy_run(first + r * step, order[v].count, out + r * ld);
                continue;
            }
            const T* const second = from(groups[1]).at(row, vector);
            for (std::size_t r = 0; r < end - row; ++r)
                add_run(first + r * step, second + r * step, order[v].count, out + r * ld);
        }
    }
}

}  // namespace charrnn
