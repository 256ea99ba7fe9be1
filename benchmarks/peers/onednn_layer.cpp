/// One recurrent layer of charrnn and of oneDNN over a window, in turn in one process, after a look at whether they
/// give the same numbers. Prints one line of JSON:
/// charrnn_onednn --cell lstm --hidden 128 --lanes 50 --window 50 --threads 1 --rounds 7
///
/// Forward is oneDNN's training form, which keeps what the way back needs. Backward gives the gradients of the input, of
/// the first state and of the weights. Both read weights that are in their own layout already: oneDNN's conversion into
/// it, and our `prepare`, are not timed; nor is the clearing of oneDNN's gradients of the weights, to which it adds.

#include <omp.h>

#include <algorithm>
#include <cmath>
#include <cstddef>
#include <cstdio>
#include <cstdlib>
#include <dnnl.hpp>
#include <exception>
#include <functional>
#include <iostream>
#include <string>
#include <unordered_map>
#include <vector>

#include <charrnn/core/threads.hpp>
#include <charrnn/nn/gru.hpp>
#include <charrnn/nn/lstm.hpp>
#include <charrnn/nn/recur.hpp>
#include <charrnn/nn/rnn.hpp>
#include <charrnn/nn/runner.hpp>

#include "../measure.hpp"
#include "../operations.hpp"

namespace {

using namespace charrnn;
using namespace charrnn::bench;
using dnnl::memory;
using Tag = memory::format_tag;

struct Options {
    std::string cell = "lstm";
    std::size_t hidden = 128, lanes = 50, window = 50, threads = 1, rounds = 7;
};

/// What both compute on: the same numbers.
struct Problem {
    explicit Problem(const Options& o)
        : extent{o.window, o.lanes},
          width(o.hidden),
          x(extent.rows() * row_stride<float>(width)),
          d_y(x.size()) {
        Random random(1);
        for (auto& v : x) v = static_cast<float>(random.uniform(-1, 1));
        for (auto& v : d_y) v = static_cast<float>(random.uniform(-1, 1));
    }
    [[nodiscard]] View<const float> view(const Buffer<float>& b) const {
        return {b.data(), extent.rows(), width, row_stride<float>(width)};
    }

    Extent extent;
    std::size_t width;
    Buffer<float> x, d_y;
};

/// What is compared.
struct Numbers {
    std::vector<float> y, d_x, d_wi, d_wh, d_b;
};

template <class Cell>
class Ours {
  public:
    Ours(const Problem& problem, const GatedParams<float>& params, std::size_t threads)
        : problem_(problem),
          model_(Recur<Cell>(Cell{problem.width, problem.width}, params)),
          runner_(model_, Plan{.extent = problem.extent,
                               .ids = false,
                               .backward = true,
                               .input_gradient = true,
                               .state_gradient = true}),
          team_(threads),
          input_{nullptr, problem.view(problem.x)} {
        runner_.prepare();
        runner_.load(model_.zero_state(problem.extent.lanes));
        const View<const float> d = problem.view(problem.d_y);
        const View<float> to = runner_.d_output(problem.extent.steps);
        for (std::size_t r = 0; r < d.rows; ++r) std::copy_n(d.row(r), d.cols, to.row(r));
    }
    void forward() {
        auto through = [&](std::size_t i) { runner_.forward(input_, {}, problem_.extent.steps, lanes(i)); };
        team_.run(through);
    }
    void forward_backward() {
        const std::size_t steps = problem_.extent.steps;
        auto through = [&](std::size_t i) {
            runner_.forward(input_, {}, steps, lanes(i));
            runner_.backward(input_, {}, steps, lanes(i));
        };
        auto gradients = [&](std::size_t i) { runner_.gradient(input_, {}, steps, {i, team_.size()}); };
        auto collect = [&](std::size_t i) { runner_.collect({i, team_.size()}); };
        team_.run(through, gradients, collect);
    }
    Numbers numbers() {
        const auto copy = [](View<const float> v) {
            std::vector<float> all;
            for (std::size_t r = 0; r < v.rows; ++r) all.insert(all.end(), v.row(r), v.row(r) + v.cols);
            return all;
        };
        Numbers n{copy(runner_.output(problem_.extent.steps)),
                  copy(runner_.d_input(problem_.extent.steps)),
                  {},
                  {},
                  {}};
        const auto gradients = runner_.gradients();
        n.d_wi.assign(gradients[0].begin(), gradients[0].end());
        n.d_wh.assign(gradients[1].begin(), gradients[1].end());
        n.d_b.assign(gradients[2].begin(), gradients[2].end());
        return n;
    }

  private:
    [[nodiscard]] Lanes lanes(std::size_t i) const {
        const Part part{i, team_.size()};
        const std::size_t n = problem_.extent.lanes;
        return {part.begin(n), part.end(n) - part.begin(n)};
    }

    const Problem& problem_;
    Chain<Recur<Cell>> model_;
    Runner<float> runner_;
    Team team_;
    Input<float> input_;
};

/// A cell's primitives, and the order of its gates: gate_of[i] is our block that stands at oneDNN's place i.
template <class Cell>
struct Primitives;

template <>
struct Primitives<LSTMCell> {
    using Forward = dnnl::lstm_forward;
    using Backward = dnnl::lstm_backward;
    static constexpr bool has_cell_state = true;
    static constexpr std::array<std::size_t, 4> gate_of{0, 1, 2, 3}, bias_of = gate_of;
};
template <>
struct Primitives<GRUCell> {
    using Forward = dnnl::lbr_gru_forward;
    using Backward = dnnl::lbr_gru_backward;
    static constexpr bool has_cell_state = false;
    static constexpr std::array<std::size_t, 3> gate_of{1, 0, 2};
    static constexpr std::array<std::size_t, 4> bias_of{1, 0, 2, 3};
};
template <>
struct Primitives<RNNCell> {
    using Forward = dnnl::vanilla_rnn_forward;
    using Backward = dnnl::vanilla_rnn_backward;
    static constexpr bool has_cell_state = false;
    static constexpr std::array<std::size_t, 1> gate_of{0}, bias_of{0};
};

template <class Cell>
class Theirs {
    using P = Primitives<Cell>;
    static constexpr std::size_t gates = P::gate_of.size(), biases = P::bias_of.size();

  public:
    Theirs(const Problem& problem, const GatedParams<float>& params)
        : problem_(problem), engine_(dnnl::engine::kind::cpu, 0), stream_(engine_) {
        const auto T = static_cast<memory::dim>(problem.extent.steps),
                   N = static_cast<memory::dim>(problem.extent.lanes);
        const auto H = static_cast<memory::dim>(problem.width);
        const memory::dims layer{T, N, H}, state{1, 1, N, H}, weights{1, 1, H, gates, H},
            bias{1, 1, biases, H};
        const auto desc = [](const memory::dims& d, Tag tag) {
            return memory::desc(d, memory::data_type::f32, tag);
        };
        const auto tnc = desc(layer, Tag::tnc), ldnc = desc(state, Tag::ldnc), any = desc(weights, Tag::any),
                   ldgo = desc(bias, Tag::ldgo);
        const auto direction = dnnl::rnn_direction::unidirectional_left2right;
        const auto training = dnnl::prop_kind::forward_training, back = dnnl::prop_kind::backward;
        const memory::desc none;
        if constexpr (P::has_cell_state) {
            forward_desc_ = {
                {training, direction, tnc, ldnc, ldnc, any, any, none, none, ldgo, tnc, ldnc, ldnc}, engine_};
            backward_desc_ = {{back, direction, tnc,  ldnc, ldnc, any, any,  none, none, ldgo, tnc,  ldnc,
                               ldnc, tnc,       ldnc, ldnc, any,  any, none, none, ldgo, tnc,  ldnc, ldnc},
                              engine_,
                              forward_desc_};
        } else if constexpr (biases == 1) {
            const auto tanh = dnnl::algorithm::eltwise_tanh;
            forward_desc_ = {{training, tanh, direction, tnc, ldnc, any, any, ldgo, tnc, ldnc}, engine_};
            backward_desc_ = {{back, tanh, direction, tnc, ldnc, any, any, ldgo, tnc, ldnc, tnc, ldnc, any,
                               any, ldgo, tnc, ldnc},
                              engine_,
                              forward_desc_};
        } else {
            forward_desc_ = {{training, direction, tnc, ldnc, any, any, ldgo, tnc, ldnc}, engine_};
            backward_desc_ = {
                {back, direction, tnc, ldnc, any, any, ldgo, tnc, ldnc, tnc, ldnc, any, any, ldgo, tnc, ldnc},
                engine_,
                forward_desc_};
        }
        forward_ = typename P::Forward(forward_desc_);
        backward_ = typename P::Backward(backward_desc_);

        put(DNNL_ARG_SRC_LAYER, tnc), put(DNNL_ARG_DST_LAYER, tnc), put(DNNL_ARG_BIAS, ldgo);
        put(DNNL_ARG_SRC_ITER, ldnc), put(DNNL_ARG_DST_ITER, ldnc);
        put(DNNL_ARG_DIFF_SRC_LAYER, tnc), put(DNNL_ARG_DIFF_DST_LAYER, tnc), put(DNNL_ARG_DIFF_BIAS, ldgo);
        put(DNNL_ARG_DIFF_SRC_ITER, ldnc), put(DNNL_ARG_DIFF_DST_ITER, ldnc);
        if constexpr (P::has_cell_state) {
            put(DNNL_ARG_SRC_ITER_C, ldnc), put(DNNL_ARG_DST_ITER_C, ldnc);
            put(DNNL_ARG_DIFF_SRC_ITER_C, ldnc), put(DNNL_ARG_DIFF_DST_ITER_C, ldnc);
        }
        put(DNNL_ARG_WORKSPACE, forward_desc_.workspace_desc());
        put(DNNL_ARG_DIFF_WEIGHTS_LAYER, backward_desc_.diff_weights_layer_desc());
        put(DNNL_ARG_DIFF_WEIGHTS_ITER, backward_desc_.diff_weights_iter_desc());

        copy_rows(problem.view(problem.x), DNNL_ARG_SRC_LAYER);
        copy_rows(problem.view(problem.d_y), DNNL_ARG_DIFF_DST_LAYER);
        auto* b = static_cast<float*>(arguments_.at(DNNL_ARG_BIAS).get_data_handle());
        for (std::size_t g = 0; g < biases; ++g)
            std::copy_n(params.b.data() + P::bias_of[g] * problem.width, problem.width,
                        b + g * problem.width);

        // The weights in both primitives' layouts: the way back may want another one.
        plain_ = desc(weights, Tag::ldigo);
        for (const auto& [argument, source] :
             {std::pair{DNNL_ARG_WEIGHTS_LAYER, &params.Wi}, std::pair{DNNL_ARG_WEIGHTS_ITER, &params.Wh}}) {
            memory plain(plain_, engine_);
            auto* to = static_cast<float*>(plain.get_data_handle());
            for (std::size_t i = 0; i < problem.width; ++i)
                for (std::size_t g = 0; g < gates; ++g)
                    std::copy_n(source->data() + (i * gates + P::gate_of[g]) * problem.width, problem.width,
                                to + (i * gates + g) * problem.width);
            const bool layer_weights = argument == DNNL_ARG_WEIGHTS_LAYER;
            memory ahead(
                layer_weights ? forward_desc_.weights_layer_desc() : forward_desc_.weights_iter_desc(),
                engine_);
            memory behind(
                layer_weights ? backward_desc_.weights_layer_desc() : backward_desc_.weights_iter_desc(),
                engine_);
            dnnl::reorder(plain, ahead).execute(stream_, plain, ahead);
            dnnl::reorder(plain, behind).execute(stream_, plain, behind);
            arguments_[argument] = ahead;
            back_arguments_[argument] = behind;
        }
        for (const auto& [argument, m] : arguments_) back_arguments_.try_emplace(argument, m);
        stream_.wait();
    }
    void forward() {
        forward_.execute(stream_, arguments_);
        stream_.wait();
    }
    void clear() {
        for (const int argument :
             {DNNL_ARG_DIFF_WEIGHTS_LAYER, DNNL_ARG_DIFF_WEIGHTS_ITER, DNNL_ARG_DIFF_BIAS})
            zero(argument);
    }
    void forward_backward() {
        forward();
        backward_.execute(stream_, back_arguments_);
        stream_.wait();
    }
    Numbers numbers() {
        const std::size_t H = problem_.width, rows = problem_.extent.rows();
        const auto copy = [&](int argument) {
            const auto* p = static_cast<const float*>(arguments_.at(argument).get_data_handle());
            return std::vector<float>(p, p + rows * H);
        };
        Numbers n{copy(DNNL_ARG_DST_LAYER), copy(DNNL_ARG_DIFF_SRC_LAYER), {}, {}, {}};
        for (const auto& [argument, to] : {std::pair{DNNL_ARG_DIFF_WEIGHTS_LAYER, &n.d_wi},
                                           std::pair{DNNL_ARG_DIFF_WEIGHTS_ITER, &n.d_wh}}) {
            memory plain(plain_, engine_);
            dnnl::reorder(arguments_.at(argument), plain).execute(stream_, arguments_.at(argument), plain);
            stream_.wait();
            const auto* p = static_cast<const float*>(plain.get_data_handle());
            to->resize(H * gates * H);
            for (std::size_t i = 0; i < H; ++i)
                for (std::size_t g = 0; g < gates; ++g)
                    std::copy_n(p + (i * gates + g) * H, H, to->data() + (i * gates + P::gate_of[g]) * H);
        }
        n.d_b.resize(biases * H);
        const auto* b = static_cast<const float*>(arguments_.at(DNNL_ARG_DIFF_BIAS).get_data_handle());
        for (std::size_t g = 0; g < biases; ++g) std::copy_n(b + g * H, H, n.d_b.data() + P::bias_of[g] * H);
        return n;
    }

  private:
    void put(int argument, const memory::desc& d) {
        arguments_[argument] = memory(d, engine_);
        zero(argument);
    }
    void zero(int argument) {
        memory& m = arguments_.at(argument);
        std::fill_n(static_cast<char*>(m.get_data_handle()), m.get_desc().get_size(), char{0});
    }
    void copy_rows(View<const float> v, int argument) {
        auto* to = static_cast<float*>(arguments_.at(argument).get_data_handle());
        for (std::size_t r = 0; r < v.rows; ++r) std::copy_n(v.row(r), v.cols, to + r * v.cols);
    }

    const Problem& problem_;
    dnnl::engine engine_;
    dnnl::stream stream_;
    memory::desc plain_;
    typename P::Forward::primitive_desc forward_desc_;
    typename P::Backward::primitive_desc backward_desc_;
    typename P::Forward forward_;
    typename P::Backward backward_;
    std::unordered_map<int, memory> arguments_, back_arguments_;
};

/// The largest difference of two lists, over the largest number in the second.
double difference(const std::vector<float>& a, const std::vector<float>& b) {
    double most = 0, largest = 0;
    if (a.size() != b.size()) throw value_error("the two have not as many numbers");
    for (std::size_t i = 0; i < a.size(); ++i) {
        most = std::max(most, std::abs(static_cast<double>(a[i]) - static_cast<double>(b[i])));
        largest = std::max(largest, std::abs(static_cast<double>(b[i])));
    }
    return most / largest;
}

/// Times f alone, `calls` times, with `before` in between: the median.
double time(std::size_t calls, const std::function<void()>& before, const std::function<void()>& f) {
    std::vector<double> times;
    for (std::size_t i = 0; i < calls; ++i) {
        before();
        const auto begin = Clock::now();
        f();
        times.push_back(seconds_since(begin));
    }
    return median(times);
}

template <class Cell>
void compare(const Options& o) {
    const Problem problem(o);
    Random random(3);
    const auto params = Cell{o.hidden, o.hidden}.template init<float>(random);
    Ours<Cell> ours(problem, params, o.threads);
    Theirs<Cell> theirs(problem, params);
    ours.forward_backward();
    theirs.clear();
    theirs.forward_backward();
    const Numbers a = ours.numbers(), b = theirs.numbers();
    const double worst = std::max({difference(a.y, b.y), difference(a.d_x, b.d_x), difference(a.d_wi, b.d_wi),
                                   difference(a.d_wh, b.d_wh), difference(a.d_b, b.d_b)});

    const double operations =
        layer_operations(o.cell, o.hidden, o.hidden) * static_cast<double>(problem.extent.rows());
    std::printf(
        "{\"peer\": \"onednn\", \"mode\": \"layer\", \"cell\": \"%s\", \"hidden\": %zu, \"lanes\": %zu, "
        "\"window\": %zu, "
        "\"threads\": %zu, \"difference\": %.3g, \"onednn\": \"%d.%d.%d\"",
        o.cell.c_str(), o.hidden, o.lanes, o.window, o.threads, worst, dnnl::version()->major,
        dnnl::version()->minor, dnnl::version()->patch);
    for (const bool backward : {false, true}) {
        const std::function<void()> mine = [&] { backward ? ours.forward_backward() : ours.forward(); },
                                    other = [&] { backward ? theirs.forward_backward() : theirs.forward(); },
                                    nothing = [] {}, clear = [&] { theirs.clear(); };
        std::vector<double> t0, t1, ratios, shares;
        const double once = std::max(time(3, nothing, mine), time(3, clear, other));
        const auto calls = static_cast<std::size_t>(std::clamp(0.1 / once, 3.0, 200.0));
        for (std::size_t r = 0; r < o.rounds; ++r) {
            const double peak = peak_flops(o.threads);
            t0.push_back(time(calls, nothing, mine));
            t1.push_back(time(calls, clear, other));
            ratios.push_back(t1.back() / t0.back());
            shares.push_back((backward ? 3 : 1) * operations / t0.back() / peak);
        }
        const char* what = backward ? "forward_backward" : "forward";
        std::printf(
            ", \"%s\": {\"charrnn_seconds\": %.6g, \"onednn_seconds\": %.6g, \"ratio\": %.4f, "
            "\"ratio_least\": %.4f, "
            "\"ratio_most\": %.4f, \"share_of_peak\": %.4f}",
            what, median(t0), median(t1), median(ratios), *std::min_element(ratios.begin(), ratios.end()),
            *std::max_element(ratios.begin(), ratios.end()), median(shares));
    }
    std::printf("}\n");
}

}  // namespace

int main(int argc, char** argv) {
    try {
        Options o;
        for (int i = 1; i + 1 < argc; i += 2) {
            const std::string option = argv[i], value = argv[i + 1];
            if (option == "--cell")
                o.cell = value;
            else if (option == "--hidden")
                o.hidden = std::stoul(value);
            else if (option == "--lanes")
                o.lanes = std::stoul(value);
            else if (option == "--window")
                o.window = std::stoul(value);
            else if (option == "--threads")
                o.threads = std::stoul(value);
            else if (option == "--rounds")
                o.rounds = std::stoul(value);
            else
                throw value_error("what is " + option +
                                  "? There are --cell, --hidden, --lanes, --window, --threads and "
                                  "--rounds, each with a value");
        }
        omp_set_num_threads(static_cast<int>(o.threads));
        if (o.cell == "lstm")
            compare<LSTMCell>(o);
        else if (o.cell == "gru")
            compare<GRUCell>(o);
        else if (o.cell == "rnn")
            compare<RNNCell>(o);
        else
            throw value_error("--cell is " + o.cell + ": expected lstm, gru or rnn");
        return 0;
    } catch (const std::exception& e) {
        std::cerr << "charrnn_onednn: " << e.what() << '\n';
        return 1;
    }
}
