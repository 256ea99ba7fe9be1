#include "instances.hpp"

CHARRNN_INSTANCES(template)
