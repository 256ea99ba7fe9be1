#pragma once

#include <charrnn/nn/model.hpp>

charrnn::Model<> make_model(std::size_t characters);
