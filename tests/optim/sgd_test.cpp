#include <charrnn/optim/sgd.hpp>

#include <doctest/doctest.h>

#include <charrnn/nn/layer.hpp>
#include "optim/update.hpp"

namespace sgd_test {

using namespace charrnn;

static_assert(Optimiser<SGD>);

TEST_CASE("SGD: plain, with momentum, Nesterov's, and with weight decay") {
    for (const double momentum : {0.0, 0.9})
        for (const bool nesterov : {false, true})
            for (const double decay : {0.0, 0.01}) {
                const SGD sgd(0.1, {.momentum = momentum, .nesterov = nesterov, .weight_decay = decay});
                const auto rule = [&](double& p, double g, std::vector<double>& v, int) {
                    g += decay * p;
                    v[0] = momentum * v[0] + g;
                    p -= 0.1 * (nesterov ? g + momentum * v[0] : v[0]);
                };
                CHECK(test::worst_update<double>(sgd, 20, 0.1, rule) < 1e-14);
                CHECK(test::worst_update<float>(sgd, 20, 0.1, rule) < 1e-5);
            }
}

TEST_CASE("SGD: prints as it is written") {
    CHECK(printed(SGD(0.5)) == "SGD(0.5)");
    CHECK(printed(SGD(0.5, {.momentum = 0.9, .nesterov = true, .weight_decay = 0.25})) ==
          "SGD(0.5, nesterov 0.9, weight_decay 0.25)");
}

}  // namespace sgd_test
