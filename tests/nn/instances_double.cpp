#include "instances.hpp"

CHARRNN_LAYER_INSTANCES(template, double)
