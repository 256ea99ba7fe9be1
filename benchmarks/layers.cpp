#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <string>
#include <vector>

#include <charrnn/core/buffer.hpp>
#include <charrnn/core/random.hpp>
#include <charrnn/core/simd.hpp>
#include <charrnn/nn/loss.hpp>
#include <charrnn/nn/model.hpp>
#include <charrnn/nn/runner.hpp>

#include "cases.hpp"
#include "operations.hpp"

/// One layer over a window, forward, and forward with backward and the weights' gradient; and the loss. On one
/// thread, all lanes in one group. The state is not reloaded: a window goes on from zero each time.

namespace {

using namespace charrnn;
using namespace charrnn::bench;

constexpr std::size_t vocabulary = 101;

std::vector<std::uint32_t> random_ids(std::size_t count) {
    Random random(2);
    std::vector<std::uint32_t> ids(count);
    for (auto& id : ids) id = static_cast<std::uint32_t>(random.below(vocabulary));
    return ids;
}

/// A single layer at work, `backward` or only forward, on ids or on rows of numbers.
class LayerAtWork {
  public:
    LayerAtWork(const std::string& kind, std::size_t in, std::size_t out, Extent extent, bool ids,
                bool backward)
        : extent_(extent),
          model_(std::move(Model<float>().add(Registry<float>::instance().make(kind, in, out)))),
          runner_(
              model_,
              Plan{.extent = extent, .ids = ids, .backward = backward, .input_gradient = !ids && backward}),
          ids_(ids ? random_ids(extent.rows()) : std::vector<std::uint32_t>()),
          dense_(ids ? 0 : extent.rows() * row_stride<float>(in)) {
        Random random(1);
        for (auto& x : dense_) x = static_cast<float>(random.uniform(-1, 1));
        if (ids)
            input_.ids = ids_.data();
        else
            input_.dense = {dense_.data(), extent.rows(), in, row_stride<float>(in)};
        runner_.prepare();
        runner_.load(model_.zero_state(extent.lanes));
        if (!backward) return;
        const View<float> d = runner_.d_output(extent.steps);
        for (std::size_t r = 0; r < d.rows; ++r)
            for (std::size_t j = 0; j < d.cols; ++j)
                d(r, j) = static_cast<float>(random.uniform(-1e-3, 1e-3));
    }
    void forward() {
        runner_.forward(input_, {}, extent_.steps, Lanes{0, extent_.lanes});
        keep(runner_.output(extent_.steps).data);
    }
    void forward_backward() {
        forward();
        runner_.backward(input_, {}, extent_.steps, Lanes{0, extent_.lanes});
        runner_.gradient(input_, {}, extent_.steps);
    }

  private:
    Extent extent_;
    Model<float> model_;
    Runner<float> runner_;
    std::vector<std::uint32_t> ids_;
    Buffer<float> dense_;
    Input<float> input_;
};

void add_layer(Cases& cases, const std::string& name, const std::string& kind, std::size_t in,
               std::size_t out, Extent extent, bool ids, double operations) {
    const auto rows = static_cast<double>(extent.rows());
    cases.add(name + "/forward", [=](Case& c) {
        LayerAtWork layer(kind, in, out, extent, ids, false);
        c.measure({.flops = operations * rows, .items = rows, .unit = "characters"},
                  [&] { layer.forward(); });
    });
    cases.add(name + "/forward+backward", [=](Case& c) {
        LayerAtWork layer(kind, in, out, extent, ids, true);
        c.measure({.flops = 3 * operations * rows, .items = rows, .unit = "characters"},
                  [&] { layer.forward_backward(); });
    });
}

void add_loss(Cases& cases) {
    for (const bool gradient : {false, true})
        cases.add(std::string("loss/2500x101") + (gradient ? "/forward+backward" : "/forward"), [=](Case& c) {
            constexpr std::size_t steps = 50, lanes = 50, rows = steps * lanes;
            const std::size_t ld = row_stride<float>(vocabulary);
            Buffer<float> logits(rows * ld), d_logits(rows * ld);
            Random random(1);
            for (auto& x : logits) x = static_cast<float>(random.uniform(-4, 4));
            const std::vector<std::uint32_t> targets = random_ids(rows);
            std::vector<double> losses(rows);
            c.measure({.items = static_cast<double>(rows), .unit = "characters"}, [&] {
                simd::dispatch(
                    simd::level(),
                    charrnn::detail::CrossEntropyRows<float>{
                        {logits.data(), rows, vocabulary, ld},
                        gradient ? View<float>(d_logits.data(), rows, vocabulary, ld) : View<float>(),
                        targets.data(),
                        nullptr,
                        lanes,
                        steps,
                        Lanes{0, lanes},
                        1.0F / rows,
                        losses.data()});
                keep(losses.data());
            });
        });
}

const AddCases added([](Cases& cases) {
    for (const std::string kind : {"lstm", "gru", "rnn"}) {
        const auto names = Registry<float>::instance().names();
        if (std::find(names.begin(), names.end(), kind) == names.end()) continue;
        for (const bool ids : {true, false})
            for (const std::size_t width : {64U, 128U, 256U, 512U})
                for (const std::size_t lanes : {1U, 8U, 25U, 50U, 64U})
                    add_layer(cases,
                              "layer/" + kind + "/" + std::to_string(width) + (ids ? "/ids" : "/dense") +
                                  "/lanes:" + std::to_string(lanes),
                              kind, ids ? vocabulary : width, width, {50, lanes}, ids,
                              layer_operations(kind, ids ? 0 : width, width));
    }
    add_layer(cases, "layer/dense/128x101/lanes:50", "dense", 128, vocabulary, {50, 50}, false,
              product_operations(128, vocabulary));
    add_loss(cases);
});

}  // namespace
