#pragma once

/// @file
/// charrnn: character-level recurrent language models. This header includes all of the library.

#include <charrnn/core/blas.hpp>
#include <charrnn/core/machine.hpp>
#include <charrnn/data/alphabet.hpp>
#include <charrnn/data/batches.hpp>
#include <charrnn/data/chunk.hpp>
#include <charrnn/data/documents.hpp>
#include <charrnn/data/jittered.hpp>
#include <charrnn/data/lower_case.hpp>
#include <charrnn/data/onehot.hpp>
#include <charrnn/data/rows.hpp>
#include <charrnn/data/shuffled.hpp>
#include <charrnn/data/text.hpp>
#include <charrnn/nn/chain.hpp>
#include <charrnn/nn/dropout.hpp>
#include <charrnn/nn/embedding.hpp>
#include <charrnn/nn/gradient_check.hpp>
#include <charrnn/nn/gru_reset_before.hpp>
#include <charrnn/nn/loss.hpp>
#include <charrnn/nn/model.hpp>
#include <charrnn/nn/runner.hpp>
#include <charrnn/optim/adam.hpp>
#include <charrnn/optim/rmsprop.hpp>
#include <charrnn/optim/schedule.hpp>
#include <charrnn/optim/sgd.hpp>
#include <charrnn/train/console.hpp>
#include <charrnn/train/csv_log.hpp>
#include <charrnn/train/early_stopping.hpp>
#include <charrnn/train/evaluate.hpp>
#include <charrnn/train/interrupt.hpp>
#include <charrnn/train/sample.hpp>
#include <charrnn/train/trainer.hpp>
#include <charrnn/version.hpp>
