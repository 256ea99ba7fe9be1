#include "instances.hpp"

template class charrnn::StageOf<charrnn::Recur<charrnn::LSTMCell, float>>;
template class charrnn::StageOf<charrnn::Recur<charrnn::GRUCell, float>>;
template class charrnn::StageOf<charrnn::Recur<charrnn::GRUResetBeforeCell, float>>;
template class charrnn::StageOf<charrnn::Recur<charrnn::RNNCell, float>>;
template class charrnn::StageOf<charrnn::Dense<float>>;
template class charrnn::StageOf<charrnn::Embedding<float>>;
template class charrnn::StageOf<charrnn::Dropout<float>>;
template class charrnn::Runner<float>;
template class charrnn::Registry<float>;
