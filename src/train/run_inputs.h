#pragma once

#include <optional>

#include "lckv/comm/grid.h"
#include "lckv/config/run.h"
#include "lckv/data/loader.h"

namespace lckv::train {

/// Sequences of one micro-batch and micro-batches of one step, of one copy of the model.
struct MicroBatches {
  int64_t B = 1;
  int64_t per_step = 1;
};
MicroBatches micro_batches(const config::TrainConfig& train, int64_t copies);

/// How many validation tokens are scored: at least a sequence; 0: all of the store.
int64_t validation_tokens(const config::RunConfig& config);

/// What a run reads: this rank's share of the training sequences, and the validation data.
struct RunInputs {
  /// Opens the stores and refuses those whose tokenizer is not the model's or not the same. Throws
  /// DataError, ConfigError, IoError.
  RunInputs(const config::RunConfig& config, const comm::Grid& grid);

  MicroBatches micro;
  data::TrainLoader train;
  std::optional<data::ValidationLoader> validation;
};

}  // namespace lckv::train
