#include <charrnn/optim/adam.hpp>

#include <doctest/doctest.h>

#include <cmath>

#include <charrnn/nn/layer.hpp>
#include "optim/update.hpp"

namespace adam_test {

// Ten steps of PyTorch's Adam are compared in tests/train/golden_test.cpp.

using namespace charrnn;

static_assert(Optimiser<Adam>);

TEST_CASE("Adam: agrees with its formula; weight decay coupled as PyTorch's Adam, decoupled as AdamW") {
    for (const double decay : {0.0, 0.01})
        for (const bool decoupled : {false, true}) {
            const Adam adam(0.01, 0.9, 0.99, 1e-8, decay, decoupled);
            const auto rule = [&](double& p, double g, std::vector<double>& slot, int t) {
                if (decoupled)
                    p -= 0.01 * decay * p;
                else
                    g += decay * p;
                slot[0] = 0.9 * slot[0] + 0.1 * g;
                slot[1] = 0.99 * slot[1] + 0.01 * g * g;
                p -= 0.01 * (slot[0] / (1 - std::pow(0.9, t))) /
                     (std::sqrt(slot[1] / (1 - std::pow(0.99, t))) + 1e-8);
            };
            CHECK(test::worst_update<double>(adam, 20, 0.01, rule) < 1e-13);
            CHECK(test::worst_update<float>(adam, 20, 0.01, rule) < 1e-5);
        }
    CHECK(AdamW(0.01).weight_decay == 0.01);
    CHECK(AdamW(0.01).decoupled);
}

TEST_CASE("Adam: prints as it is written") {
    CHECK(printed(Adam(0.002)) == "Adam(0.002, (0.9, 0.999))");
    CHECK(printed(AdamW(0.002, 0.125)) == "AdamW(0.002, (0.9, 0.999), weight_decay 0.125)");
}

}  // namespace adam_test
