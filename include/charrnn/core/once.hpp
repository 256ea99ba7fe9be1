#pragma once

/// @file
/// Where functions are compiled that are the same in every program.
///
/// A header declares them, and defines them below, between `#ifdef CHARRNN_ONCE` and `#endif`, each with CHARRNN_ONCE in
/// front, and with what only they include. With the headers alone CHARRNN_ONCE is `inline`; in compiled.cpp, the source of
/// charrnn::compiled, it is nothing; and a program that links with that (CHARRNN_COMPILED) does not read them at all.

#if defined(CHARRNN_SOURCE)
#define CHARRNN_ONCE
#elif !defined(CHARRNN_COMPILED)
#define CHARRNN_ONCE inline
#endif
