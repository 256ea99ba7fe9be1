#include <doctest/doctest.h>

#include <charrnn/optim/adam.hpp>
#include <charrnn/train/trainer.hpp>
#include <cmath>
#include <vector>

#include "golden/model.hpp"
#include "nn/instances.hpp"

namespace train_golden_test {

using namespace charrnn;
using namespace charrnn::test;

namespace {

/// The three windows of a golden file as a source of batches.
struct GoldenSource {
    std::vector<Batch> batches;

    explicit GoldenSource(const Golden& golden) {
        for (std::size_t k = 1; k <= 3; ++k) batches.push_back(golden_window(golden, k));
    }
    [[nodiscard]] std::size_t windows() const { return batches.size(); }
    [[nodiscard]] std::size_t lanes() const { return batches[0].lanes; }
    [[nodiscard]] std::size_t window() const { return batches[0].steps; }
    [[nodiscard]] std::size_t alphabet_size() const { return 7; }
    void fill(std::size_t i, Batch& batch) const { batch = batches[i]; }
};
static_assert(BatchSource<GoldenSource>);

/// Ten steps of Adam from the file's parameters: losses, norms and final parameters must be those under `prefix`.
template <class T>
void check_run(const std::string& file, const std::string& cell, const std::string& prefix, double tolerance,
               double clip = 0) {
    CAPTURE(file);
    CAPTURE(prefix);
    const Golden golden = Golden::load(golden_path(file));
    Model<T> model = golden_model<T>(golden, cell);
    const auto setting = [&](const char* name) { return golden.scalar(std::string("adam.") + name); };
    Trainer trainer(model, Adam(setting("lr"), setting("beta1"), setting("beta2"), setting("eps")),
                    GoldenSource(golden), {.clip = clip, .threads = 1});
    std::size_t step = 0;
    trainer.every_step([&](const Progress& p) {
        CHECK(p.loss == doctest::Approx(golden.at(prefix + "loss").values[step]).epsilon(tolerance));
        CHECK(p.gradient_norm == doctest::Approx(golden.at(prefix + "norm").values[step]).epsilon(tolerance));
        ++step;
    });
    trainer.run(steps(10));
    CHECK(step == 10);
    for (const auto& p : model.parameters()) {
        const auto& expected = golden.at(prefix + "final." + golden_parameter(p.name)).values;
        double worst = 0;
        for (std::size_t i = 0; i < p.size; ++i)
            worst = std::max(worst, std::abs(static_cast<double>(p.data[i]) - expected[i]));
        CAPTURE(p.name);
        CHECK(worst < tolerance);
    }
}

}  // namespace

TEST_CASE("ten steps of Adam agree with PyTorch, in double and in float") {
    check_run<double>("lstm", "lstm", "adam.", 1e-11);
    check_run<double>("gru", "gru", "adam.", 1e-11);
    check_run<double>("rnn", "rnn", "adam.", 1e-11);
    check_run<float>("lstm", "lstm", "adam.", 1e-4);
    check_run<float>("gru", "gru", "adam.", 1e-4);
    check_run<float>("rnn", "rnn", "adam.", 1e-4);
}

TEST_CASE("clipping scales to exactly the norm asked for") {
    check_run<double>("lstm_clip", "lstm", "exact.", 1e-11, 0.5);
    // PyTorch divides by the norm plus 1e-6, so its run is a little off ours, and no more than that.
    check_run<double>("lstm_clip", "lstm", "torch.", 1e-6, 0.5);
}

}  // namespace train_golden_test
