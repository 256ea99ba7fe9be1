#include <cstddef>
#include <string>

#include <charrnn/core/buffer.hpp>
#include <charrnn/core/random.hpp>
#include <charrnn/core/vecmath.hpp>

#include "cases.hpp"

namespace {

using namespace charrnn;
using namespace charrnn::bench;

struct Exp {
    template <class V>
    CHARRNN_INLINE V operator()(const V& x) const {
        return simd::exp(x);
    }
};
struct Sigmoid {
    template <class V>
    CHARRNN_INLINE V operator()(const V& x) const {
        return simd::sigmoid(x);
    }
};
struct Tanh {
    template <class V>
    CHARRNN_INLINE V operator()(const V& x) const {
        return simd::tanh(x);
    }
};

template <class F, class T>
struct Apply {
    const Buffer<T>& x;
    Buffer<T>& y;

    template <class Isa>
    CHARRNN_INLINE void operator()(Isa) const {
        using V = typename Isa::template pack<T>;
        for (std::size_t i = 0; i < x.size(); i += V::size) F()(V::load(x.data() + i)).store(y.data() + i);
    }
};

template <class F, class T>
void add(Cases& cases, const std::string& name) {
    cases.add("vecmath/" + name, [](Case& c) {
        constexpr std::size_t n = 16384 / sizeof(T);  // both arrays stay in the first-level cache
        Buffer<T> x(n), y(n);
        Random random(1);
        for (auto& v : x) v = static_cast<T>(random.uniform(-8, 8));
        c.measure({.items = static_cast<double>(n), .unit = "elements"}, [&] {
            simd::dispatch(simd::level(), Apply<F, T>{x, y});
            keep(y.data());
        });
    });
}

const AddCases added([](Cases& cases) {
    add<Exp, float>(cases, "exp");
    add<Sigmoid, float>(cases, "sigmoid");
    add<Tanh, float>(cases, "tanh");
    add<Exp, double>(cases, "exp/double");
    add<Sigmoid, double>(cases, "sigmoid/double");
    add<Tanh, double>(cases, "tanh/double");
});

}  // namespace
