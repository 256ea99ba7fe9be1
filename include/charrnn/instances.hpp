#pragma once

#include <charrnn/core/blas.hpp>
#include <charrnn/io/safetensors_header.hpp>
#include <charrnn/nn/dropout.hpp>
#include <charrnn/nn/embedding.hpp>
#include <charrnn/nn/gru_reset_before.hpp>
#include <charrnn/nn/model.hpp>
#include <charrnn/nn/runner.hpp>
#include <charrnn/optim/adam.hpp>
#include <charrnn/optim/rmsprop.hpp>
#include <charrnn/optim/sgd.hpp>
#include <charrnn/train/choice.hpp>
#include <charrnn/train/parameter_update.hpp>

/// @file
/// What the library's own layers and optimisers are compiled to, in one list: for whoever wants it compiled once, and not
/// in each translation unit. The CMake target charrnn::compiled does all of this:
///
///     // one source file
///     #include <charrnn/instances.hpp>
///     CHARRNN_INSTANCES(template)
///
/// and whatever else includes charrnn.hpp, compiled with -DCHARRNN_COMPILED, finds its kernels there. Layers, cells and
/// optimisers of one's own are compiled where they are used, as ever.
///
/// What takes long to compile is defined outside its class: within, it is inline, and a compiler makes it again in spite of
/// `extern template`.

// NOLINTBEGIN(bugprone-macro-parentheses): a type in parentheses is none

/// Layers, optimisers and sampling in scalars T. `prefix` is `template` where they are to be compiled, `extern template`
/// elsewhere.
#define CHARRNN_SCALAR_INSTANCES(prefix, T)                                        \
    prefix class charrnn::StageOf<charrnn::Recur<charrnn::LSTMCell, T>>;           \
    prefix class charrnn::StageOf<charrnn::Recur<charrnn::GRUCell, T>>;            \
    prefix class charrnn::StageOf<charrnn::Recur<charrnn::GRUResetBeforeCell, T>>; \
    prefix class charrnn::StageOf<charrnn::Recur<charrnn::RNNCell, T>>;            \
    prefix class charrnn::StageOf<charrnn::Dense<T>>;                              \
    prefix class charrnn::StageOf<charrnn::Embedding<T>>;                          \
    prefix class charrnn::StageOf<charrnn::Dropout<T>>;                            \
    prefix class charrnn::Runner<T>;                                               \
    prefix class charrnn::Registry<T>;                                             \
    prefix class charrnn::detail::ParameterUpdate<T, charrnn::Adam>;               \
    prefix class charrnn::detail::ParameterUpdate<T, charrnn::RMSProp>;            \
    prefix class charrnn::detail::ParameterUpdate<T, charrnn::SGD>;                \
    prefix class charrnn::detail::Choice<T>;

/// OpenBLAS's products, for cells of one's own.
#define CHARRNN_GEMM_INSTANCE(prefix, T)                                                                    \
    prefix void charrnn::detail::gemm_unchecked(charrnn::View<const T>, bool, charrnn::View<const T>, bool, \
                                                charrnn::View<T>, bool);

/// All that charrnn::compiled holds.
#define CHARRNN_INSTANCES(prefix)           \
    CHARRNN_SCALAR_INSTANCES(prefix, float) \
    CHARRNN_GEMM_INSTANCE(prefix, float)    \
    CHARRNN_GEMM_INSTANCE(prefix, double)   \
    prefix bool charrnn::detail::read_json(std::string_view, charrnn::detail::HeaderReader&);

// NOLINTEND(bugprone-macro-parentheses)

#ifdef CHARRNN_COMPILED
CHARRNN_INSTANCES(extern template)
#endif
