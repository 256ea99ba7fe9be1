#include "instances.hpp"

template class charrnn::StageOf<charrnn::Recur<charrnn::LSTMCell, double>>;
template class charrnn::StageOf<charrnn::Recur<charrnn::RNNCell, double>>;
template class charrnn::StageOf<charrnn::Dense<double>>;
template class charrnn::Runner<double>;
