#pragma once

#include <concepts>
#include <cstddef>
#include <functional>
#include <map>
#include <memory>
#include <ostream>
#include <string>
#include <type_traits>
#include <utility>
#include <vector>

#include <charrnn/core/error.hpp>
#include <charrnn/core/format.hpp>
#include <charrnn/nn/chain.hpp>
#include <charrnn/nn/dropout.hpp>
#include <charrnn/nn/embedding.hpp>
#include <charrnn/nn/spec.hpp>

namespace charrnn {

/// A layer with its type erased: what a Model is made of. It holds any type that is a `Layer`.
template <class T>
class AnyLayer {
  public:
    // Whether it is an AnyLayer is asked first: Layer<AnyLayer> would ask whether it can be copied,
    // which asks here again (clang 14 then recurses without end).
    template <class L>
    requires(!std::is_same_v<L, AnyLayer>) &&
        Layer<L> AnyLayer(L layer)  // NOLINT(google-explicit-constructor): any layer is one of these
        : held_(std::make_unique<Holder<L>>(std::move(layer))) {}
    AnyLayer(const AnyLayer& other) : held_(other.held_->clone()) {}
    AnyLayer(AnyLayer&&) noexcept = default;
    AnyLayer& operator=(AnyLayer other) noexcept {
        held_ = std::move(other.held_);
        return *this;
    }
    ~AnyLayer() = default;

    [[nodiscard]] std::size_t in_size() const { return held_->in_size(); }
    [[nodiscard]] std::size_t out_size() const { return held_->out_size(); }
    [[nodiscard]] std::size_t state_parts() const { return held_->state_parts(); }
    /// The layer at work; it reads the parameters of this one.
    [[nodiscard]] std::unique_ptr<Stage<T>> stage(const Plan& plan) const { return held_->stage(plan); }
    /// Add the parameters to a list, their names behind the prefix.
    void append_parameters(const std::string& prefix, std::vector<Parameter<T>>& list) {
        held_->append_parameters(prefix, list);
    }
    /// The layer as data. Errors: value_error if its type has no name
    [[nodiscard]] LayerSpec spec() const { return held_->spec(); }
    /// The layer as the type it was made from, or null if it is of another.
    template <class L>
    [[nodiscard]] const L* as() const {
        const auto* holder = dynamic_cast<const Holder<L>*>(held_.get());
        return holder == nullptr ? nullptr : &holder->layer;
    }
    friend std::ostream& operator<<(std::ostream& out, const AnyLayer& layer) {
        return layer.held_->print(out);
    }

    /// The parameters, to be visited by name.
    struct ParamsView {
        std::vector<Parameter<T>> list;  ///< all of them
        template <class F>
        void visit(F&& f) const {
            for (const auto& p : list) {
                struct {
                    std::size_t n;
                    [[nodiscard]] std::size_t size() const { return n; }
                } array{p.size};
                f(p.name.c_str(), array);
            }
        }
    };
    [[nodiscard]] ParamsView params() const {
        ParamsView view;
        held_->append_parameters("", view.list);
        return view;
    }

  private:
    struct Base {
        Base() = default;
        virtual ~Base() = default;
        Base(const Base&) = default;
        Base& operator=(const Base&) = delete;
        [[nodiscard]] virtual std::unique_ptr<Base> clone() const = 0;
        [[nodiscard]] virtual std::size_t in_size() const = 0;
        [[nodiscard]] virtual std::size_t out_size() const = 0;
        [[nodiscard]] virtual std::size_t state_parts() const = 0;
        [[nodiscard]] virtual std::unique_ptr<Stage<T>> stage(const Plan& plan) const = 0;
        virtual void append_parameters(const std::string& prefix, std::vector<Parameter<T>>& list) = 0;
        virtual std::ostream& print(std::ostream& out) const = 0;
        [[nodiscard]] virtual LayerSpec spec() const = 0;
    };
    template <class L>
    struct Holder final : Base {
        L layer;
        explicit Holder(L l) : layer(std::move(l)) {}
        [[nodiscard]] std::unique_ptr<Base> clone() const override { return std::make_unique<Holder>(layer); }
        [[nodiscard]] std::size_t in_size() const override { return layer.in_size(); }
        [[nodiscard]] std::size_t out_size() const override { return layer.out_size(); }
        [[nodiscard]] std::size_t state_parts() const override { return layer.state_parts(); }
        [[nodiscard]] std::unique_ptr<Stage<T>> stage(const Plan& plan) const override {
            return std::make_unique<StageOf<L>>(layer, plan);
        }
        void append_parameters(const std::string& prefix, std::vector<Parameter<T>>& list) override {
            detail::append_parameters(list, prefix + layer.prefix, layer.params());
        }
        std::ostream& print(std::ostream& out) const override { return out << layer; }
        [[nodiscard]] LayerSpec spec() const override { return layer_spec(layer); }
    };

    std::unique_ptr<Base> held_;
};

/// Layers one after the other, as values: the twin of Chain for where cell, width and depth arrive at run time
/// (command lines, files). Shapes and errors as Chain.
template <class Scalar = float>
class Model {
  public:
    using value_type = Scalar;
    /// The scalar.
    using T = value_type;

    Model() = default;

    /// Add a layer. Errors: shape_error where it does not fit the one before, or after softmax.
    Model& add(AnyLayer<T> layer) {
        if (softmax_) throw shape_error("Model: a layer after softmax: " + printed(layer));
        if (!layers_.empty())
            detail::check_widths(layers_.size(), printed(layers_.back()), layers_.back().out_size(),
                                 printed(layer), layer.in_size());
        layers_.push_back(std::move(layer));
        return *this;
    }
    /// End in softmax.
    Model& add(Softmax) {
        softmax_ = true;
        return *this;
    }

    [[nodiscard]] std::size_t in_size() const { return some().front().in_size(); }
    [[nodiscard]] std::size_t out_size() const { return some().back().out_size(); }
    /// How many layers, without softmax.
    [[nodiscard]] std::size_t size() const { return layers_.size(); }
    /// Whether the model ends in softmax.
    [[nodiscard]] bool ends_in_softmax() const { return softmax_; }
    /// Layer i.
    [[nodiscard]] const AnyLayer<T>& layer(std::size_t i) const { return layers_.at(i); }

    std::vector<Parameter<T>> parameters() {
        std::vector<Parameter<T>> list;
        for (std::size_t i = 0; i < layers_.size(); ++i)
            layers_[i].append_parameters(detail::layer_prefix(i), list);
        return list;
    }
    [[nodiscard]] State<T> zero_state(std::size_t lanes) const {
        State<T> s;
        for (const auto& layer : layers_)
            s.push_back(detail::zero_layer_state<T>(layer.state_parts(), lanes, layer.out_size()));
        return s;
    }
    [[nodiscard]] std::vector<std::unique_ptr<Stage<T>>> stages(const Plan& plan) const {
        std::vector<std::unique_ptr<Stage<T>>> list;
        for (std::size_t i = 0; i < some().size(); ++i)
            list.push_back(layers_[i].stage(detail::plan_for(plan, i)));
        return list;
    }
    /// Call f(i, layer) for each layer.
    template <class F>
    void for_each(F&& f) const {
        for (std::size_t i = 0; i < layers_.size(); ++i) f(i, layers_[i]);
    }

    friend std::ostream& operator<<(std::ostream& out, const Model& m) {
        out << "Chain(";
        for (std::size_t i = 0; i < m.layers_.size(); ++i) out << (i > 0 ? ", " : "") << m.layers_[i];
        return out << (m.softmax_ ? ", softmax)" : ")");
    }

  private:
    /// The layers, of which there must be some.
    [[nodiscard]] const std::vector<AnyLayer<T>>& some() const {
        if (layers_.empty()) throw shape_error("Model: no layers");
        return layers_;
    }

    std::vector<AnyLayer<T>> layers_;
    bool softmax_ = false;
};

/// Layers by name, for Model: "lstm", "gru", "rnn", "dense", "embedding" and "dropout", and whatever a program adds.
template <class T = float>
class Registry {
  public:
    /// Makes a layer (D -> H) with first values from a generator.
    using Make = std::function<AnyLayer<T>(std::size_t in, std::size_t out, Random& random)>;

    /// The same from a spec, for layers that have options.
    using MakeFromSpec = std::function<AnyLayer<T>(const LayerSpec& spec, Random& random)>;

    /// The registry of the program.
    static Registry& instance();

    /// Give a name to a way of making layers; an older one of that name is replaced.
    void add(const std::string& name, Make make) {
        add(name, MakeFromSpec([make = std::move(make)](const LayerSpec& s, Random& random) {
                return make(s.in, s.out, random);
            }));
    }
    /// Give a cell the name that it has itself, its short_name: for cells of one's own, and for those of the library that
    /// not every program should have to compile.
    ///
    ///     Registry<>::instance().add_cell<GRUResetBeforeCell>();      // "gru-reset-before"
    template <Cell C>
    void add_cell() {
        add(C::short_name, [](std::size_t in, std::size_t out, Random& random) {
            return Recur<C, T>(C{in, out}, random);
        });
    }
    /// The same for a layer that has options: how a spec that names it becomes a layer.
    void add(const std::string& name, MakeFromSpec make) { makers_[name] = std::move(make); }
    /// All names, in alphabetical order.
    [[nodiscard]] std::vector<std::string> names() const {
        std::vector<std::string> list;
        for (const auto& [name, make] : makers_) list.push_back(name);
        return list;
    }
    /// Make a layer. Errors: value_error for an unknown name, with the names there are.
    [[nodiscard]] AnyLayer<T> make(const std::string& name, std::size_t in, std::size_t out,
                                   Random& random = default_random()) const {
        return made({.type = name, .in = in, .out = out}, random);
    }

    /// The layer that a spec describes. Every extent of its parameters must be a sum of multiples of the widths and a
    /// constant: that is how a file's sizes are checked before a layer is made.
    /// Errors: value_error for an unknown name, or where the layer made is not the one described
    [[nodiscard]] AnyLayer<T> make(const LayerSpec& spec, Random& random) const {
        AnyLayer<T> layer = made(spec, random);
        if (!spec.is_met_by(layer.spec()))
            throw value_error("the registry makes " + printed(layer.spec()) + " where " + printed(spec) +
                              " is asked for");
        return layer;
    }

  private:
    AnyLayer<T> made(const LayerSpec& spec, Random& random) const {
        const auto found = makers_.find(spec.type);
        if (found == makers_.end()) {
            std::string known;
            for (const auto& n : names()) known += (known.empty() ? "" : ", ") + n;
            throw value_error("no layer is called '" + spec.type + "': expected one of " + known +
                              "; a program adds its own, and gru-reset-before, by Registry::add_cell");
        }
        return found->second(spec, random);
    }

    std::map<std::string, MakeFromSpec> makers_;
};

// Outside its class, and so not inline: an extern template declaration then spares a translation unit the layers.
template <class T>
Registry<T>& Registry<T>::instance() {
    static Registry registry = [] {
        Registry r;
        r.add("lstm",
              [](std::size_t in, std::size_t out, Random& random) { return LSTM<T>(in, out, random); });
        r.add("gru", [](std::size_t in, std::size_t out, Random& random) { return GRU<T>(in, out, random); });
        r.add("rnn", [](const LayerSpec& s, Random& random) {
            return RNN<T>(s.in, s.out, activation::named(s.option("activation", "tanh")), random);
        });
        r.add("embedding",
              [](std::size_t in, std::size_t out, Random& random) { return Embedding<T>(in, out, random); });
        r.add("dropout", [](const LayerSpec& s, Random&) {
            const auto p = detail::parsed_number(s.option("p", "0.5"));
            if (!p) throw value_error(printed(s) + ": its p is not a number");
            return Dropout<T>(s.out, *p,
                              s.option("mask", "each_step") == "each_window" ? DropoutMask::each_window
                                                                             : DropoutMask::each_step);
        });
        r.add("dense", [](const LayerSpec& s, Random& random) {
            return Dense<T>(s.in, s.out, activation::named(s.option("activation", "identity")), random);
        });
        return r;
    }();
    return registry;
}

/// What char_rnn can add to the usual model.
struct CharRnnOptions {
    std::size_t embedding = 0;  ///< the width of an Embedding before the first layer; 0: none
    double dropout = 0;         ///< after each recurrent layer; 0: none
};

/// The usual model for characters: `layers` recurrent layers of width H, a Dense back to the V characters, softmax. The cell
/// is "lstm", "gru", "rnn", or what a program has given to the Registry. Shapes: ids (T, N) -> (T, N, V)
/// Errors: value_error for an unknown cell, a width or depth of 0, or a dropout outside [0, 1)
template <class T = float>
Model<T> char_rnn(const std::string& cell, std::size_t vocabulary, std::size_t hidden, std::size_t layers,
                  Random& random = default_random(), const CharRnnOptions& options = {}) {
    if (layers == 0) throw value_error("layers is 0: expected at least 1");
    Model<T> model;
    if (options.embedding > 0) model.add(Embedding<T>(vocabulary, options.embedding, random));
    for (std::size_t i = 0; i < layers; ++i) {
        model.add(Registry<T>::instance().make(cell,
                                               i > 0                   ? hidden
                                               : options.embedding > 0 ? options.embedding
                                                                       : vocabulary,
                                               hidden, random));
        if (options.dropout != 0) model.add(Dropout<T>(hidden, options.dropout));
    }
    return std::move(model.add(Dense<T>(hidden, vocabulary, random)).add(softmax));
}

}  // namespace charrnn
