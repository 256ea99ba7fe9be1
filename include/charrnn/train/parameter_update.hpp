#pragma once

#include <algorithm>
#include <cmath>
#include <cstddef>
#include <cstdint>
#include <limits>
#include <numeric>
#include <string>
#include <utility>
#include <vector>

#include <charrnn/core/buffer.hpp>
#include <charrnn/core/error.hpp>
#include <charrnn/core/simd.hpp>
#include <charrnn/core/threads.hpp>
#include <charrnn/nn/parameters.hpp>
#include <charrnn/optim/optimiser.hpp>
#include <charrnn/train/trainer_options.hpp>

/// @file
/// From gradients to new parameters: the half of a training step that knows nothing of layers, lanes and time.

namespace charrnn {

namespace detail {

/// How the gradient is kept small: scaled to a norm, then each number cut; 0: not.
struct Clip {
    double norm = 0, value = 0;
};

/// The gradients of all parameters, their norm, and the optimiser's step on them, in phases that several threads share:
/// each calls every phase with its Part, with a barrier between two. What is shared out are stretches of fixed length, so
/// the results do not depend on the number of threads.
template <class T, Optimiser O>
class ParameterUpdate {
  public:
    /// `gradients` are those of the model's parameters, in the same order; `layers` is how many layers it has.
    /// Errors: value_error for a parameter whose name does not begin with its layer's, and for a tie of one that is not
    ///         there; shape_error for a tie of two that are not each other's transposed
    ParameterUpdate(const std::vector<Parameter<T>>& parameters, const std::vector<Parameter<T>>& gradients,
                    std::size_t layers, const std::vector<Tie>& ties);

    /// The optimiser's arrays before the first step, O::slots for each parameter.
    [[nodiscard]] std::vector<Buffer<T>> zero_slots() const;
    /// These are the optimiser's arrays; to be called again when they have moved. Errors: shape_error where they are not
    /// as zero_slots() gives them
    void set_slots(std::vector<Buffer<T>>& slots);

    [[nodiscard]] bool has_ties() const { return !ties_.empty(); }

    /// Before step `step` (from 1): the learning rate, times a factor for each layer if there are any.
    void begin(const O& optimiser, std::uint64_t step, double lr, const std::vector<double>& rates) {
        for (std::size_t l = 0; l < factors_.size(); ++l)
            factors_[l] = optimiser.template factors<T>(step, rates.empty() ? lr : lr * rates[l]);
    }
    /// A phase: the gradient of a tied parameter is that of both its places; the second's is nothing beside it.
    void sum_ties(Part part) const {
        for (const Tied& t : ties_)
            t.for_each(part, [&](std::size_t a, std::size_t b) {
                t.first_gradient[a] += t.second_gradient[b];
                t.second_gradient[b] = T(0);
            });
    }
    /// A phase: the squares of the gradients.
    void square(Part part);
    /// The gradient's norm, after that.
    [[nodiscard]] double norm() const {
        return std::sqrt(std::accumulate(squares_.begin(), squares_.end(), 0.0));
    }
    /// A phase: the optimiser's step, with the gradient of this norm clipped.
    void update(Part part, const O& optimiser, double norm, const Clip& clip) const;
    /// A phase: the second of two that are tied becomes the first.
    void copy_ties(Part part) const {
        for (const Tied& t : ties_)
            t.for_each(part, [&](std::size_t a, std::size_t b) { t.second[b] = t.first[a]; });
    }

  private:
    /// A Tie at work: first is (rows, columns), second (columns, rows).
    struct Tied {
        T *first, *second, *first_gradient, *second_gradient;
        std::size_t rows, columns;

        template <class F>
        void for_each(Part part, F f) const {
            for (std::size_t i = part.begin(rows); i < part.end(rows); ++i)
                for (std::size_t j = 0; j < columns; ++j) f(i * columns + j, j * rows + i);
        }
    };

    template <class F>
    void for_each_stretch(Part part, const F& f) const {
        for (std::size_t s = part.begin(stretches_.size()); s < part.end(stretches_.size()); ++s) f(s);
    }

    /// The layer of a parameter, from its name: "layers.1.cell.Wi".
    [[nodiscard]] std::size_t layer_of(const std::string& name) const;

    void tie_up(const Tie& tie, const std::vector<Parameter<T>>& parameters,
                const std::vector<Parameter<T>>& gradients);

    std::vector<std::size_t> sizes_;  // of the parameters
    std::vector<Stretch<T>> stretches_;
    std::vector<std::size_t> parameter_of_;  // of each stretch
    std::vector<Tied> ties_;
    std::vector<double> squares_;
    std::vector<decltype(std::declval<const O&>().template factors<T>(std::uint64_t{1}, 0.1))>
        factors_;  // of each layer
    std::vector<T*> slot_pointers_;
};

// Outside the class, and so not inline: see instances.hpp.

template <class T, Optimiser O>
ParameterUpdate<T, O>::ParameterUpdate(const std::vector<Parameter<T>>& parameters,
                                       const std::vector<Parameter<T>>& gradients, std::size_t layers,
                                       const std::vector<Tie>& ties)
    : factors_(layers) {
    for (std::size_t i = 0; i < parameters.size(); ++i) {
        sizes_.push_back(parameters[i].size);
        for (std::size_t at = 0; at < parameters[i].size; at += stretch_length) {
            stretches_.push_back({parameters[i].data + at, gradients[i].data + at, nullptr, at,
                                  std::min(stretch_length, parameters[i].size - at),
                                  layer_of(parameters[i].name)});
            parameter_of_.push_back(i);
        }
    }
    for (const Tie& tie : ties) tie_up(tie, parameters, gradients);
    squares_.resize(stretches_.size());
}
template <class T, Optimiser O>
std::vector<Buffer<T>> ParameterUpdate<T, O>::zero_slots() const {
    std::vector<Buffer<T>> slots;
    for (const std::size_t size : sizes_)
        for (std::size_t k = 0; k < O::slots; ++k) slots.emplace_back(size);
    return slots;
}
template <class T, Optimiser O>
void ParameterUpdate<T, O>::set_slots(std::vector<Buffer<T>>& slots) {
    bool fit = slots.size() == sizes_.size() * O::slots;
    for (std::size_t i = 0; fit && i < slots.size(); ++i) fit = slots[i].size() == sizes_[i / O::slots];
    if (!fit) throw shape_error("restore: the run state is of another model or optimiser");
    slot_pointers_.clear();
    for (auto& slot : slots) slot_pointers_.push_back(slot.data());
    for (std::size_t s = 0; s < stretches_.size(); ++s)
        stretches_[s].slots = slot_pointers_.data() + parameter_of_[s] * O::slots;
}
template <class T, Optimiser O>
void ParameterUpdate<T, O>::square(Part part) {
    for_each_stretch(part, [&](std::size_t s) {
        simd::dispatch(simd::level(),
                       SumOfSquares<T>{stretches_[s].gradient, stretches_[s].count, &squares_[s]});
    });
}
template <class T, Optimiser O>
void ParameterUpdate<T, O>::update(Part part, const O& optimiser, double norm, const Clip& clip) const {
    const T scale = clip.norm > 0 && norm > clip.norm ? static_cast<T>(clip.norm / norm) : T(1);
    const T limit = clip.value > 0 ? static_cast<T>(clip.value) : std::numeric_limits<T>::infinity();
    for_each_stretch(part, [&](std::size_t s) {
        simd::dispatch(simd::level(), UpdateStretch<O, T>{optimiser, stretches_[s],
                                                          factors_[stretches_[s].layer], scale, limit});
    });
}
template <class T, Optimiser O>
std::size_t ParameterUpdate<T, O>::layer_of(const std::string& name) const {
    for (std::size_t l = 0; l < factors_.size(); ++l)
        if (name.rfind(layer_prefix(l), 0) == 0) return l;
    throw value_error("the parameter " + name + ": expected a name that begins with layers.N.");
}
template <class T, Optimiser O>
void ParameterUpdate<T, O>::tie_up(const Tie& tie, const std::vector<Parameter<T>>& parameters,
                                   const std::vector<Parameter<T>>& gradients) {
    const auto place = [&](const std::string& name) {
        return static_cast<std::size_t>(&find_parameter(parameters, name) - parameters.data());
    };
    const std::size_t a = place(tie.first), b = place(tie.second);
    const auto &of_a = parameters[a].shape, &of_b = parameters[b].shape;
    if (a == b || of_a.size() != 2 || of_b.size() != 2 || of_a[0] != of_b[1] || of_a[1] != of_b[0])
        throw shape_error("tie: " + tie.second + " is not the transposed shape of " + tie.first);
    ties_.push_back(
        {parameters[a].data, parameters[b].data, gradients[a].data, gradients[b].data, of_a[0], of_a[1]});
    const Tied& t = ties_.back();
    t.for_each({}, [&](std::size_t i, std::size_t j) { t.second[j] = t.first[i]; });
}

}  // namespace detail
}  // namespace charrnn
