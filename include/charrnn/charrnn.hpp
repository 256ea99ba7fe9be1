#pragma once

/// @file
/// charrnn: character-level recurrent language models. This header includes all of the library.

#include <charrnn/core/blas.hpp>
#include <charrnn/core/machine.hpp>
#include <charrnn/data/alphabet.hpp>
#include <charrnn/data/batches.hpp>
#include <charrnn/data/chunk.hpp>
#include <charrnn/data/onehot.hpp>
#include <charrnn/data/text.hpp>
#include <charrnn/io/atomic_file.hpp>
#include <charrnn/io/init_from.hpp>
#include <charrnn/io/model_file.hpp>
#include <charrnn/io/pytorch.hpp>
#include <charrnn/io/safetensors.hpp>
#include <charrnn/nn/chain.hpp>
#include <charrnn/nn/gradient_check.hpp>
#include <charrnn/nn/loss.hpp>
#include <charrnn/nn/model.hpp>
#include <charrnn/nn/runner.hpp>
#include <charrnn/optim/adam.hpp>
#include <charrnn/train/checkpoint.hpp>
#include <charrnn/train/checkpoints.hpp>
#include <charrnn/train/console.hpp>
#include <charrnn/train/csv_log.hpp>
#include <charrnn/train/evaluate.hpp>
#include <charrnn/train/interrupt.hpp>
#include <charrnn/train/recovery.hpp>
#include <charrnn/train/sample.hpp>
#include <charrnn/train/saver.hpp>
#include <charrnn/train/trainer.hpp>
#include <charrnn/version.hpp>
