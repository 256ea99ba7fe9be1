#pragma once

/// @file
/// The version of the library: the only place where it is written. CMake reads it from here.

#define CHARRNN_VERSION_MAJOR 0
#define CHARRNN_VERSION_MINOR 1
#define CHARRNN_VERSION_PATCH 0
