/// @file
/// The source of charrnn::compiled: what every program would compile alike, compiled once. The program's other sources are
/// compiled with -DCHARRNN_COMPILED.

#undef CHARRNN_COMPILED
#define CHARRNN_SOURCE
#include <charrnn/charrnn.hpp>

CHARRNN_INSTANCES(template)
