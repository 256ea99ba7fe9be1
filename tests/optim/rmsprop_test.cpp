#include <charrnn/optim/rmsprop.hpp>

#include <doctest/doctest.h>

#include <cmath>
#include <limits>

#include <charrnn/nn/layer.hpp>
#include "optim/update.hpp"

namespace rmsprop_test {

using namespace charrnn;

static_assert(Optimiser<RMSProp>);

TEST_CASE("RMSProp: agrees with its formula, with weight decay too") {
    for (const double decay : {0.0, 0.01}) {
        const RMSProp rmsprop(0.002, 0.95, 1e-8, decay);
        const auto rule = [&](double& p, double g, std::vector<double>& v, int) {
            g += decay * p;
            v[0] = 0.95 * v[0] + 0.05 * g * g;
            p -= 0.002 * g / (std::sqrt(v[0]) + 1e-8);
        };
        CHECK(test::worst_update<double>(rmsprop, 20, 0.002, rule) < 1e-13);
        CHECK(test::worst_update<float>(rmsprop, 20, 0.002, rule) < 1e-5);
    }
}

TEST_CASE("RMSProp: a gradient whose square overflows leaves its parameter where it is") {
    for (const Simd level : test::levels()) {
        float p = 1, g = 1e21F, v = 0;
        float* slots[] = {&v};
        const RMSProp rmsprop;
        const detail::Stretch<float> stretch{&p, &g, slots, 0, 1};
        simd::dispatch(
            level, detail::UpdateStretch<RMSProp, float>{rmsprop, stretch, rmsprop.factors<float>(1, 0.002),
                                                         1.0F, std::numeric_limits<float>::infinity()});
        CHECK(p == 1);
        CHECK(std::isinf(v));
    }
}

TEST_CASE("RMSProp: prints as it is written") { CHECK(printed(RMSProp(0.5, 0.75)) == "RMSProp(0.5, 0.75)"); }

}  // namespace rmsprop_test
