#pragma once

#include <charrnn/nn/chain.hpp>
#include <charrnn/nn/dropout.hpp>
#include <charrnn/nn/embedding.hpp>
#include <charrnn/nn/gru_reset_before.hpp>
#include <charrnn/nn/model.hpp>
#include <charrnn/nn/runner.hpp>

/// @file
/// The built-in layers at work, compiled once for all tests in instances_*.cpp: their kernels, unrolled for three
/// instruction sets, are most of the compile time, with sanitizers above all.

extern template class charrnn::StageOf<charrnn::Recur<charrnn::LSTMCell, float>>;
extern template class charrnn::StageOf<charrnn::Recur<charrnn::LSTMCell, double>>;
extern template class charrnn::StageOf<charrnn::Recur<charrnn::GRUCell, float>>;
extern template class charrnn::StageOf<charrnn::Recur<charrnn::GRUCell, double>>;
extern template class charrnn::StageOf<charrnn::Recur<charrnn::GRUResetBeforeCell, float>>;
extern template class charrnn::StageOf<charrnn::Recur<charrnn::RNNCell, float>>;
extern template class charrnn::StageOf<charrnn::Recur<charrnn::GRUResetBeforeCell, double>>;
extern template class charrnn::StageOf<charrnn::Recur<charrnn::RNNCell, double>>;
extern template class charrnn::StageOf<charrnn::Dense<float>>;
extern template class charrnn::StageOf<charrnn::Dense<double>>;
extern template class charrnn::StageOf<charrnn::Embedding<float>>;
extern template class charrnn::StageOf<charrnn::Embedding<double>>;
extern template class charrnn::StageOf<charrnn::Dropout<float>>;
extern template class charrnn::StageOf<charrnn::Dropout<double>>;
extern template class charrnn::Runner<float>;
extern template class charrnn::Runner<double>;
extern template class charrnn::Registry<float>;
extern template class charrnn::Registry<double>;
