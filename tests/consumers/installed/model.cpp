#include "model.hpp"

charrnn::Model<> make_model(std::size_t characters) { return charrnn::char_rnn("lstm", characters, 16, 1); }
