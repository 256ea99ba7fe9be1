#include "instances.hpp"

template class charrnn::StageOf<charrnn::Recur<charrnn::LSTMCell, double>>;
template class charrnn::StageOf<charrnn::Recur<charrnn::GRUCell, double>>;
template class charrnn::StageOf<charrnn::Recur<charrnn::GRUResetBeforeCell, double>>;
template class charrnn::StageOf<charrnn::Recur<charrnn::RNNCell, double>>;
template class charrnn::StageOf<charrnn::Dense<double>>;
template class charrnn::StageOf<charrnn::Embedding<double>>;
template class charrnn::StageOf<charrnn::Dropout<double>>;
template class charrnn::Runner<double>;
template class charrnn::Registry<double>;
