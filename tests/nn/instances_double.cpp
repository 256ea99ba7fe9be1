#include "instances.hpp"

CHARRNN_SCALAR_INSTANCES(template, double)
