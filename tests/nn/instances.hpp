#pragma once

#include <charrnn/instances.hpp>

/// @file
/// The library's own layers and optimisers, compiled once for all tests in instances_*.cpp: their kernels, unrolled for
/// three instruction sets, are most of the compile time, with sanitizers above all.

CHARRNN_INSTANCES(extern template)
CHARRNN_SCALAR_INSTANCES(extern template, double)
