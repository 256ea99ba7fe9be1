#pragma once

#include <cstddef>
#include <span>
#include <string>
#include <vector>

#include <charrnn/core/blas.hpp>
#include <charrnn/nn/dropout.hpp>
#include <charrnn/nn/embedding.hpp>
#include <charrnn/nn/gru_reset_before.hpp>
#include <charrnn/nn/model.hpp>
#include <charrnn/nn/runner.hpp>
#include <charrnn/optim/adam.hpp>
#include <charrnn/optim/rmsprop.hpp>
#include <charrnn/optim/sgd.hpp>
#include <charrnn/train/choice.hpp>
#include <charrnn/train/sample.hpp>
#include <charrnn/train/training_step.hpp>

/// @file
/// What the library's own layers and optimisers are compiled to, in one list, for compiled.cpp: programs that are compiled
/// with -DCHARRNN_COMPILED find it there, and beside it all that is no template (core/once.hpp). Layers, cells and
/// optimisers of one's own are compiled where they are used, as ever.
///
/// What takes long to compile is defined outside its class: within, it is inline, and a compiler makes it again in spite of
/// `extern template`.

// NOLINTBEGIN(bugprone-macro-parentheses): a type in parentheses is none

/// A recurrent layer: how it is made, and at work.
#define CHARRNN_CELL_INSTANCES(prefix, C, T)                                   \
    prefix charrnn::Recur<charrnn::C, T>::Recur(charrnn::C, charrnn::Random&); \
    prefix class charrnn::StageOf<charrnn::Recur<charrnn::C, T>>;

/// Layers, optimisers and sampling in scalars T. `prefix` is `template` where they are to be compiled, `extern template`
/// elsewhere.
#define CHARRNN_SCALAR_INSTANCES(prefix, T)                                                                 \
    CHARRNN_CELL_INSTANCES(prefix, LSTMCell, T)                                                             \
    CHARRNN_CELL_INSTANCES(prefix, GRUCell, T)                                                              \
    CHARRNN_CELL_INSTANCES(prefix, GRUResetBeforeCell, T)                                                   \
    CHARRNN_CELL_INSTANCES(prefix, RNNCell, T)                                                              \
    prefix charrnn::Dense<T>::Dense(std::size_t, std::size_t, charrnn::Activation, charrnn::Random&);       \
    prefix class charrnn::StageOf<charrnn::Dense<T>>;                                                       \
    prefix class charrnn::StageOf<charrnn::Embedding<T>>;                                                   \
    prefix class charrnn::StageOf<charrnn::Dropout<T>>;                                                     \
    prefix charrnn::LayerState<T> charrnn::detail::zero_layer_state(std::size_t, std::size_t, std::size_t); \
    prefix void charrnn::detail::append_parameter(std::vector<charrnn::Parameter<T>>&, const std::string&,  \
                                                  const char*, T*, std::span<const std::size_t>);           \
    prefix class charrnn::Runner<T>;                                                                        \
    prefix class charrnn::Registry<T>;                                                                      \
    prefix class charrnn::detail::TrainingStep<T, charrnn::Adam>;                                           \
    prefix class charrnn::detail::TrainingStep<T, charrnn::RMSProp>;                                        \
    prefix class charrnn::detail::TrainingStep<T, charrnn::SGD>;                                            \
    prefix class charrnn::detail::Choice<T>;                                                                \
    prefix class charrnn::Sampler<T>;

/// OpenBLAS's products, for cells of one's own.
#define CHARRNN_GEMM_INSTANCE(prefix, T)                                                                    \
    prefix void charrnn::detail::gemm_unchecked(charrnn::View<const T>, bool, charrnn::View<const T>, bool, \
                                                charrnn::View<T>, bool);

/// All of them that charrnn::compiled holds.
#define CHARRNN_INSTANCES(prefix)           \
    CHARRNN_SCALAR_INSTANCES(prefix, float) \
    CHARRNN_GEMM_INSTANCE(prefix, float)    \
    CHARRNN_GEMM_INSTANCE(prefix, double)

// NOLINTEND(bugprone-macro-parentheses)

#ifdef CHARRNN_COMPILED
CHARRNN_INSTANCES(extern template)
#endif
