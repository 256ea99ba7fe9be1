#pragma once

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <ostream>
#include <string>
#include <vector>

#include <charrnn/core/buffer.hpp>
#include <charrnn/core/error.hpp>
#include <charrnn/core/outer.hpp>
#include <charrnn/core/scatter_add.hpp>
#include <charrnn/core/simd.hpp>
#include <charrnn/core/sum_groups.hpp>
#include <charrnn/nn/init.hpp>
#include <charrnn/nn/layer.hpp>

namespace charrnn {

/// The parameters of an Embedding: W (V, K).
template <class T>
struct EmbeddingParams {
    using value_type = T;
    /// (V, K), a row for each symbol
    Matrix<T> W;

    template <class F>
    void visit(F&& f) {
        f("W", W);
    }
    template <class F>
    void visit(F&& f) const {
        f("W", W);
    }
};

/// A row of numbers for each character: y = W[id]. The first layer of a model, if any.
///
/// A recurrent layer gathers rows of its Wi by itself; an embedding narrower than that (42 for 85 characters) is
/// fewer parameters, and characters can be compared by their rows.
/// Shapes:  ids (T, N), each below V -> y (T, N, K); W (V, K)
/// First values: normal with mean 0 and deviation 1.
/// Errors:  value_error for a width of 0, or above 2^30; shape_error where it is not given ids
/// Source:  Bengio et al. 2003; PyTorch's nn.Embedding
template <class T = float>
class Embedding {
  public:
    using value_type = T;
    using Params = EmbeddingParams<T>;

    Embedding(std::size_t symbols, std::size_t width, Random& random = default_random()) {
        detail::check_widths("Embedding(" + std::to_string(symbols) + ", " + std::to_string(width) + ")",
                             symbols, width);
        params_.W.resize({symbols, width});
        init::normal(params_.W, 1, random);
    }

    [[nodiscard]] std::size_t in_size() const { return params_.W.shape(0); }
    [[nodiscard]] std::size_t out_size() const { return params_.W.shape(1); }
    [[nodiscard]] std::size_t state_parts() const { return 0; }
    Params& params() { return params_; }
    [[nodiscard]] const Params& params() const { return params_; }
    static constexpr const char* prefix = "";
    static constexpr const char* short_name = "embedding";

    template <class U>
    [[nodiscard]] Embedding<U> cast() const {
        Random random;
        Embedding<U> other(in_size(), out_size(), random);
        detail::convert(other.params(), params_);
        return other;
    }

    class Tape {
      public:
        Tape(const Embedding& layer, const Plan& plan)
            : lanes_(plan.extent.lanes),
              width_(layer.out_size()),
              ld_(row_stride<T>(layer.out_size())),
              level_(std::min(simd::level(), Simd::avx512)),
              order_(plain_columns(width_, simd::width(level_) / sizeof(T))),
              groups_(plan.extent) {
            if (!plan.ids)
                throw shape_error(printed(layer) + ": x is rows of numbers, expected ids: an Embedding is " +
                                  "the first layer of a model");
            y_.resize(plan.extent.rows() * ld_);
            if (plan.backward)
                sums_.assign(groups_.size(), OuterSums<T>::by_rows(level_, layer.in_size(), width_));
        }
        [[nodiscard]] View<const T> output(std::size_t steps) const {
            return {y_.data(), steps * lanes_, width_, ld_};
        }
        /// None: characters have no gradient.
        [[nodiscard]] View<const T> d_input(std::size_t) const { return {}; }

      private:
        friend Embedding;
        std::size_t lanes_, width_, ld_;
        Simd level_;
        std::vector<ColumnRun> order_;
        Buffer<T> y_;
        SumGroups groups_;
        std::vector<OuterSums<T>> sums_;  // over the rows of each of groups_
    };

    void prepare(Tape&, Part) const {}

    void forward(Tape& tape, const Input<T>& x, const Context&, std::size_t steps, Lanes lanes) const {
        for (std::size_t t = 0; t < steps; ++t)
            for (std::size_t n = lanes.first; n < lanes.first + lanes.count; ++n) {
                const std::size_t r = t * tape.lanes_ + n;
                std::copy_n(params_.W.data() + x.ids[r] * out_size(), out_size(),
                            tape.y_.data() + r * tape.ld_);
            }
    }

    void backward(Tape&, const Input<T>&, View<const T>, const Context&, std::size_t, Lanes) const {}

    void gradient(Tape& tape, const Input<T>& x, View<const T> d_y, const Context&, std::size_t steps,
                  Part part) const {
        const std::size_t vectors = tape.order_.size();
        tape.groups_.for_each(part, outer_panels(tape.level_, vectors), [&](std::size_t group, Range panels) {
            scatter_add<T>(tape.level_, x.ids, d_y, tape.groups_.rows(group, steps), tape.sums_[group],
                           nullptr, outer_share(tape.level_, vectors, panels));
        });
    }

    void collect(const Tape& tape, Params& d_params, Part part) const {
        const auto own = [](const OuterSums<T>& sums) -> const OuterSums<T>& { return sums; };
        add_up(tape.sums_, own, tape.order_, {}, {0, tape.order_.size()},
               {part.begin(in_size()), part.end(in_size())}, d_params.W.data(), out_size());
    }

    friend std::ostream& operator<<(std::ostream& out, const Embedding& e) {
        return out << "Embedding(" << e.in_size() << ", " << e.out_size() << ")";
    }

  private:
    Params params_;
};

Embedding(std::size_t, std::size_t)->Embedding<float>;

}  // namespace charrnn
