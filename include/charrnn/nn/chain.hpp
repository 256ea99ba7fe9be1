#pragma once

#include <concepts>
#include <cstddef>
#include <memory>
#include <ostream>
#include <string>
#include <tuple>
#include <type_traits>
#include <utility>
#include <vector>

#include <charrnn/core/error.hpp>
#include <charrnn/core/format.hpp>
#include <charrnn/core/once.hpp>
#include <charrnn/nn/dense.hpp>
#include <charrnn/nn/gru.hpp>
#include <charrnn/nn/layer.hpp>
#include <charrnn/nn/lstm.hpp>
#include <charrnn/nn/recur.hpp>
#include <charrnn/nn/rnn.hpp>

namespace charrnn {

/// The mark at the end of a chain: its output is softmax of the last layer. Training takes the logits beneath.
struct Softmax {
    friend std::ostream& operator<<(std::ostream& out, const Softmax&) { return out << "softmax"; }
};
inline constexpr Softmax softmax{};

/// A recurrent layer of LSTM cells, D -> H: the short spelling of Recur(LSTMCell{D, H}).
template <class T = float>
Recur<LSTMCell, T> LSTM(std::size_t in, std::size_t out, Random& random = default_random()) {
    return Recur<LSTMCell, T>(LSTMCell{in, out}, random);
}

/// A recurrent layer of plain cells, D -> H: the short spelling of Recur(RNNCell{D, H, f}).
template <class T = float>
Recur<RNNCell, T> RNN(std::size_t in, std::size_t out, Activation f = activation::tanh,
                      Random& random = default_random()) {
    return Recur<RNNCell, T>(RNNCell{in, out, f}, random);
}

/// A recurrent layer of gated recurrent units, D -> H: the short spelling of Recur(GRUCell{D, H}).
template <class T = float>
Recur<GRUCell, T> GRU(std::size_t in, std::size_t out, Random& random = default_random()) {
    return Recur<GRUCell, T>(GRUCell{in, out}, random);
}

/// The recurrent state of a whole model: one LayerState a layer.
template <class T>
using State = std::vector<LayerState<T>>;

/// What a Chain and a Model have in common: all that training, sampling and files need.
template <class M>
concept SequenceModel = requires(const M& model, M& mutable_model, const Plan& plan) {
    typename M::value_type;
    { model.in_size() } -> std::same_as<std::size_t>;
    { model.out_size() } -> std::same_as<std::size_t>;
    { model.stages(plan) } -> std::same_as<std::vector<std::unique_ptr<Stage<typename M::value_type>>>>;
    { mutable_model.parameters() } -> std::same_as<std::vector<Parameter<typename M::value_type>>>;
    { model.zero_state(std::size_t{}) } -> std::same_as<State<typename M::value_type>>;
};

namespace detail {

/// The plan for layer i of a model: ids go into the first only, and all others need their input's gradient.
inline Plan plan_for(Plan plan, std::size_t layer) {
    plan.layer = layer;
    if (layer > 0) {
        plan.ids = false;
        plan.input_gradient = plan.backward;
    }
    return plan;
}

template <class T>
LayerState<T> zero_layer_state(std::size_t parts, std::size_t lanes, std::size_t width) {
    LayerState<T> s;
    for (std::size_t p = 0; p < parts; ++p) s.push_back(xt::zeros<T>({lanes, width}));
    return s;
}

/// Errors: shape_error where layer i does not fit the one before.
void check_widths(std::size_t i, const std::string& before, std::size_t gives, const std::string& layer,
                  std::size_t expects);

}  // namespace detail

/// Layers one after the other, as types. The last may be `softmax`. Write it with braces: C++ leaves the order in
/// which the arguments of a call are made to the compiler, and with it which layer draws its first weights first.
///
///     Chain model{LSTM(V, 128), LSTM(128, 128), Dense(128, V), softmax};
///
/// Shapes:  x (T, N, D) or ids (T, N) -> y (T, N, K), with D of the first layer and K of the last
/// Errors:  shape_error where a layer does not fit the one before; does not compile where the types cannot fit
/// Source:  Flux's Chain
template <class... Ls>
class Chain {
    static constexpr bool with_softmax =
        sizeof...(Ls) > 0 &&
        std::is_same_v<std::tuple_element_t<sizeof...(Ls) - 1, std::tuple<Ls...>>, Softmax>;
    static constexpr std::size_t depth = sizeof...(Ls) - (with_softmax ? 1 : 0);
    template <std::size_t I>
    using layer_type = std::tuple_element_t<I, std::tuple<Ls...>>;
    static_assert(depth > 0, "a Chain needs at least one layer");
    static_assert((static_cast<std::size_t>(std::is_same_v<Ls, Softmax>) + ... + 0) == (with_softmax ? 1 : 0),
                  "softmax may only stand at the end of a Chain");
    static_assert(
        ((Layer<Ls> || std::is_same_v<Ls, Softmax>)&&...),
        "everything in a Chain must be a layer (see the concept charrnn::Layer): Recur, Dense, ...");

  public:
    using value_type = typename layer_type<0>::value_type;
    /// The scalar.
    using T = value_type;

    /// Errors: shape_error where widths do not fit.
    explicit Chain(Ls... layers) : layers_(std::move(layers)...) {
        std::string before;
        std::size_t gives = 0;
        for_each([&](std::size_t i, const auto& layer) {
            static_assert(std::is_same_v<typename std::decay_t<decltype(layer)>::value_type, T>,
                          "all layers of a Chain must have the same scalar (float or double)");
            if (i > 0) detail::check_widths(i, before, gives, printed(layer), layer.in_size());
            before = printed(layer);
            gives = layer.out_size();
        });
    }

    [[nodiscard]] std::size_t in_size() const { return std::get<0>(layers_).in_size(); }
    [[nodiscard]] std::size_t out_size() const { return std::get<depth - 1>(layers_).out_size(); }
    /// How many layers, without softmax.
    [[nodiscard]] static constexpr std::size_t size() { return depth; }
    /// Whether the chain ends in softmax.
    [[nodiscard]] static constexpr bool ends_in_softmax() { return with_softmax; }
    /// Layer I.
    template <std::size_t I>
    auto& layer() {
        return std::get<I>(layers_);
    }
    /// Layer I.
    template <std::size_t I>
    const auto& layer() const {
        return std::get<I>(layers_);
    }

    /// All parameters by name, in the order of the layers.
    std::vector<Parameter<T>> parameters() {
        std::vector<Parameter<T>> list;
        for_each([&](std::size_t i, auto& layer) {
            detail::append_parameters(list, detail::layer_prefix(i) + layer.prefix, layer.params());
        });
        return list;
    }
    /// A state of zeros for N lanes.
    [[nodiscard]] State<T> zero_state(std::size_t lanes) const {
        State<T> s;
        for_each([&](std::size_t, const auto& layer) {
            s.push_back(detail::zero_layer_state<T>(layer.state_parts(), lanes, layer.out_size()));
        });
        return s;
    }
    /// The layers at work. They read the chain's parameters, so the chain must outlive them.
    [[nodiscard]] std::vector<std::unique_ptr<Stage<T>>> stages(const Plan& plan) const {
        std::vector<std::unique_ptr<Stage<T>>> list;
        for_each([&](std::size_t i, const auto& layer) {
            list.push_back(
                std::make_unique<StageOf<std::decay_t<decltype(layer)>>>(layer, detail::plan_for(plan, i)));
        });
        return list;
    }
    /// The same chain with another scalar.
    template <class U>
    [[nodiscard]] auto cast() const {
        return std::apply([](const auto&... layer) { return charrnn::Chain(cast_one<U>(layer)...); },
                          layers_);
    }

    /// Call f(i, layer) for each layer.
    template <class F>
    void for_each(F&& f) {
        each(*this, f, std::make_index_sequence<depth>());
    }
    /// The same, for reading.
    template <class F>
    void for_each(F&& f) const {
        each(*this, f, std::make_index_sequence<depth>());
    }

    friend std::ostream& operator<<(std::ostream& out, const Chain& c) {
        out << "Chain(";
        c.for_each([&](std::size_t i, const auto& layer) { out << (i > 0 ? ", " : "") << layer; });
        return out << (with_softmax ? ", softmax)" : ")");
    }

  private:
    template <class Self, class F, std::size_t... I>
    static void each(Self& self, F& f, std::index_sequence<I...>) {
        (f(I, std::get<I>(self.layers_)), ...);
    }
    template <class U>
    static Softmax cast_one(const Softmax& s) {
        return s;
    }
    template <class U, class L>
    static auto cast_one(const L& layer) {
        return layer.template cast<U>();
    }

    std::tuple<Ls...> layers_;
};

/// How many parameters a model has.
template <class M>
std::size_t count_parameters(const M& model) {
    std::size_t n = 0;
    model.for_each([&](std::size_t, const auto& layer) { n += detail::count_parameters(layer.params()); });
    return n;
}

/// A model over several lines, with the number of parameters of each layer and in all, as Flux prints it.
template <class M>
std::string summary(const M& model) {
    std::vector<std::pair<std::string, std::size_t>> lines;
    std::size_t width = 0;
    model.for_each([&](std::size_t, const auto& layer) {
        lines.emplace_back(printed(layer) + ",", detail::count_parameters(layer.params()));
        width = std::max(width, lines.back().first.size());
    });
    std::string s = "Chain(\n";
    for (auto& [text, count] : lines)
        s += "  " + text + std::string(width + 2 - text.size(), ' ') + "# " + with_commas(count) +
             " parameters\n";
    if (model.ends_in_softmax()) s += "  softmax,\n";
    return s + ")" + std::string(width + 3, ' ') + "# " + with_commas(count_parameters(model)) + " in all";
}

}  // namespace charrnn

#ifdef CHARRNN_ONCE
namespace charrnn::detail {

CHARRNN_ONCE void check_widths(std::size_t i, const std::string& before, std::size_t gives,
                               const std::string& layer, std::size_t expects) {
    if (gives != expects)
        throw shape_error("Chain: layer " + std::to_string(i) + ", " + layer +
                          ", expects D = " + std::to_string(expects) + ", but layer " +
                          std::to_string(i - 1) + ", " + before + ", gives " + std::to_string(gives));
}

}  // namespace charrnn::detail
#endif
