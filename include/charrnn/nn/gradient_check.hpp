#pragma once

#include <algorithm>
#include <cmath>
#include <cstddef>
#include <ostream>
#include <string>
#include <utility>
#include <vector>

#include <charrnn/core/error.hpp>
#include <charrnn/core/format.hpp>
#include <charrnn/core/random.hpp>
#include <charrnn/nn/runner.hpp>

namespace charrnn {

/// How check_gradients goes about it.
struct GradientCheckOptions {
    std::size_t steps = 5;     ///< T, the length of each window
    std::size_t windows = 2;   ///< consecutive windows; the state goes from one to the next
    std::size_t lanes = 3;     ///< N
    std::size_t truncate = 0;  ///< cut the gradient every so many steps inside a window
    std::size_t groups = 1;    ///< groups of lanes
    bool ids = false;          ///< give the model ids instead of rows of numbers (then without d_input)
    double step = 1e-4;        ///< of the central difference
    double tolerance = 1e-7;   ///< |analytic - numeric| / max(|analytic|, |numeric|) for each array
    std::uint64_t seed = 1;    ///< of the inputs, targets and states
};

/// What check_gradients found for each array.
struct GradientReport {
    /// One array.
    struct Entry {
        std::string name;     ///< the parameter's, "input", or "state", with the window
        double error = 0;     ///< norm of the difference over the larger norm
        bool passed = false;  ///< the error is within the tolerance
    };
    std::vector<Entry> entries;  ///< one for each array and window

    /// Whether there were arrays, and all passed.
    [[nodiscard]] bool passed() const {
        if (entries.empty()) return false;
        return std::all_of(entries.begin(), entries.end(), [](const Entry& e) { return e.passed; });
    }
    /// The largest error.
    [[nodiscard]] double worst() const {
        double w = 0;
        for (const Entry& e : entries) {
            if (std::isnan(e.error)) return e.error;  // nothing is worse
            w = std::max(w, e.error);
        }
        return w;
    }
    friend std::ostream& operator<<(std::ostream& out, const GradientReport& r) {
        for (const Entry& e : r.entries)
            out << (e.passed ? "  ok     " : "  WRONG  ") << e.name << "  " << e.error << '\n';
        return out;
    }
};

namespace detail {

/// The function whose gradient is checked: the loss of consecutive windows, and within a window of the segments
/// that truncation makes. Every segment starts from a state that is held fixed, so that the central difference
/// sees what truncated back-propagation sees.
class GradientCheck {
  public:
    template <class M>
    GradientCheck(M& model, const GradientCheckOptions& o)
        : options_(checked(o)),
          parameters_(model.parameters()),
          runner_(model, Plan{.extent = {o.steps, o.lanes},
                              .ids = o.ids,
                              .backward = true,
                              .input_gradient = !o.ids,
                              .state_gradient = true,
                              .groups = o.groups}),
          segment_(o.truncate == 0 ? o.steps : o.truncate) {
        Random random(o.seed);
        const std::size_t rows = o.steps * o.windows * o.lanes;
        x_.resize({rows, o.ids ? 1 : model.in_size()});
        for (auto& v : x_) v = random.normal();
        for (std::size_t r = 0; r < rows; ++r) {
            ids_.push_back(static_cast<std::uint32_t>(random.below(model.in_size())));
            targets_.push_back(static_cast<std::uint32_t>(random.below(model.out_size())));
        }
        initial_ = model.zero_state(o.lanes);
        for (auto& layer : initial_)
            for (auto& part : layer)
                for (auto& v : part) v = random.uniform(-0.5, 0.5);
    }

    GradientReport run() {
        record_states();
        GradientReport report;
        for (std::size_t w = 0; w < options_.windows; ++w) {
            const std::string suffix = options_.windows > 1 ? " (window " + std::to_string(w + 1) + ")" : "";
            const double whole = analytic(w);
            // The runner's memory is used again below, so the analytic gradients are copied first.
            std::vector<std::vector<double>> d_params;
            for (const auto& g : runner_.gradients()) d_params.emplace_back(g.data, g.data + g.size);
            const State<double> d_state = runner_.d_state();
            std::vector<double> d_x;
            if (!options_.ids) {
                const View<const double> d = runner_.d_input(options_.steps);
                for (std::size_t r = 0; r < d.rows; ++r) d_x.insert(d_x.end(), d.row(r), d.row(r) + d.cols);
            }
            check_segments(w, whole);
            for (std::size_t i = 0; i < parameters_.size(); ++i)
                compare(report, parameters_[i].name + suffix, parameters_[i].data, d_params[i], w, all);
            if (!options_.ids)
                compare(report, "input" + suffix,
                        x_.data() + w * options_.steps * options_.lanes * x_.shape(1), d_x, w, all);
            for (std::size_t l = 0; l < d_state.size(); ++l)
                for (std::size_t p = 0; p < d_state[l].size(); ++p) {
                    auto& start = starts_[w * segments()][l][p];
                    const std::vector<double> d(d_state[l][p].begin(), d_state[l][p].end());
                    compare(report, "state " + std::to_string(l) + "." + std::to_string(p) + suffix,
                            start.data(), d, w, first);
                }
        }
        return report;
    }

  private:
    static constexpr std::size_t all = static_cast<std::size_t>(-1);
    static constexpr std::size_t first = 1;

    static const GradientCheckOptions& checked(const GradientCheckOptions& o) {
        for (const auto& [name, n] :
             {std::pair{"steps", o.steps}, {"windows", o.windows}, {"lanes", o.lanes}, {"groups", o.groups}})
            if (n == 0)
                throw value_error(std::string("check_gradients: ") + name + " is 0, expected at least 1");
        if (!(o.step > 0) || !std::isfinite(o.step))
            throw value_error("check_gradients: step is " + std::to_string(o.step) +
                              ", expected a positive number");
        return o;
    }
    [[nodiscard]] std::size_t segments() const { return (options_.steps + segment_ - 1) / segment_; }
    [[nodiscard]] Input<double> input(std::size_t row) const {
        if (options_.ids) return {ids_.data() + row, {}};
        return {nullptr, View<const double>(x_.data() + row * x_.shape(1), x_.shape(0) - row, x_.shape(1))};
    }

    /// The unperturbed state at the beginning of each segment of each window.
    void record_states() {
        State<double> state = initial_;
        runner_.prepare();
        for (std::size_t w = 0; w < options_.windows; ++w)
            for (std::size_t s = 0; s < segments(); ++s) {
                starts_.push_back(state);
                forward(w, s, state);
                runner_.store(state, length(s));
            }
    }
    [[nodiscard]] std::size_t length(std::size_t s) const {
        return std::min(segment_, options_.steps - s * segment_);
    }
    void forward(std::size_t w, std::size_t s, const State<double>& from) {
        const std::size_t row = (w * options_.steps + s * segment_) * options_.lanes;
        runner_.load(from);
        // As in training, so that dropout drops the same.
        runner_.forward(input(row), {.training = true}, length(s), Lanes{0, options_.lanes});
        runner_.loss(targets_.data() + row, nullptr, length(s), Lanes{0, options_.lanes}, nullptr);
    }

    /// The mean loss of window w, or of its first `limit` segments over the same number of targets.
    double loss(std::size_t w, std::size_t limit) {
        double total = 0;
        for (std::size_t s = 0; s < std::min(segments(), limit); ++s) {
            forward(w, s, starts_[w * segments() + s]);
            total += runner_.total_loss(length(s));
        }
        return total / static_cast<double>(options_.steps * options_.lanes);
    }

    /// The gradient of window w, left in the runner: the loss.
    double analytic(std::size_t w) {
        const std::size_t row = w * options_.steps * options_.lanes;
        const Context context{.training = true, .truncate = options_.truncate};
        const double scale = 1.0 / static_cast<double>(options_.steps * options_.lanes);
        runner_.prepare();
        runner_.load(starts_[w * segments()]);
        for (std::size_t g = 0; g < options_.groups; ++g) {
            const Lanes lanes = Lanes::of(options_.lanes, g, options_.groups);
            runner_.forward(input(row), context, options_.steps, lanes);
            runner_.loss(targets_.data() + row, nullptr, options_.steps, lanes, &scale);
            runner_.backward(input(row), context, options_.steps, lanes);
        }
        runner_.gradient(input(row), context, options_.steps);
        return runner_.total_loss(options_.steps) * scale;
    }
    /// Errors: value_error where window w's loss is not that of its segments, each of which begins at its own step 0.
    void check_segments(std::size_t w, double whole) {
        const double pieces = loss(w, all);
        if (std::abs(whole - pieces) > 1e-9 * std::abs(whole))
            throw value_error("check_gradients: the loss of a window is " + shortest(whole) +
                              ", that of its pieces " + shortest(pieces) +
                              ": a layer (a dropout for each step?) depends on the step's number; check it "
                              "without truncate");
    }

    void compare(GradientReport& report, const std::string& name, double* values,
                 const std::vector<double>& analytic_gradient, std::size_t w, std::size_t limit) {
        double difference = 0, norm_a = 0, norm_n = 0;
        for (std::size_t i = 0; i < analytic_gradient.size(); ++i) {
            const double value = values[i];
            values[i] = value + options_.step;
            runner_.prepare();
            const double up = loss(w, limit);
            values[i] = value - options_.step;
            runner_.prepare();
            const double down = loss(w, limit);
            values[i] = value;
            const double numeric = (up - down) / (2 * options_.step);
            difference += (numeric - analytic_gradient[i]) * (numeric - analytic_gradient[i]);
            norm_a += analytic_gradient[i] * analytic_gradient[i];
            norm_n += numeric * numeric;
        }
        runner_.prepare();
        const double larger = std::sqrt(std::max(norm_a, norm_n));
        const double error = difference == 0 ? 0 : std::sqrt(difference) / larger;
        report.entries.push_back({name, error, error <= options_.tolerance});  // a NaN does not pass
    }

    GradientCheckOptions options_;
    std::vector<Parameter<double>> parameters_;
    Runner<double> runner_;
    std::size_t segment_;
    Matrix<double> x_;
    std::vector<std::uint32_t> ids_, targets_;
    State<double> initial_;
    std::vector<State<double>> starts_;
};

}  // namespace detail

/// Compare a model's analytic gradients with central differences, in double precision: for every parameter, the
/// input and the initial state, through several steps and across a window's edge. The loss is cross-entropy
/// against random targets. A Chain in float is cast to double first; the given model is not changed. A
/// Model<float>, which cannot be cast, does not compile here: make a Model<double>.
///
/// Errors: value_error for options that leave nothing to check, and where truncate is given for a model with a layer that
///         depends on the step's number, as a dropout for each step
///
///     const GradientReport report = check_gradients(Chain{Recur(MyCell{5, 4}), Dense(4, 7)});
///     if (!report.passed()) std::cout << report;      // names the parameter that is wrong
template <SequenceModel M>
GradientReport check_gradients(const M& model, const GradientCheckOptions& options = {}) {
    auto twin = [&] {
        if constexpr (std::is_same_v<typename M::value_type, double>)
            return model;
        else {
            static_assert(
                requires { model.template cast<double>(); },
                "check_gradients needs a model in double, or a Chain, which it casts to double");
            return model.template cast<double>();
        }
    }();
    return detail::GradientCheck(twin, options).run();
}

}  // namespace charrnn
