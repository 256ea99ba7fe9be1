#pragma once

/// @file
/// The version of the library: the only place where it is written. CMake reads it from here.

/// The first number.
#define CHARRNN_VERSION_MAJOR 0
/// The second.
#define CHARRNN_VERSION_MINOR 1
/// The third.
#define CHARRNN_VERSION_PATCH 0
