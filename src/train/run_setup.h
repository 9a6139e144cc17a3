#pragma once

#include <memory>

#include "lckv/config/run.h"
#include "lckv/eval/perplexity.h"
#include "lckv/train/trainer.h"

namespace lckv::train {

/// Sequences of one micro-batch and micro-batches of one step.
struct MicroBatches {
  int64_t B = 1;
  int64_t per_step = 1;
};
MicroBatches micro_batches(const config::TrainConfig& train);

/// Everything of a training process that lives in its arena: trainer, and scorer when there is
/// validation data.
struct RunObjects {
  RunObjects(Arena& arena, const config::RunConfig& config, DType dtype);

  Trainer trainer;
  std::unique_ptr<eval::Scorer> scorer;
};

/// Plans all memory of a run without allocating it.
Arena plan_run_memory(const config::RunConfig& config, DType dtype);

}  // namespace lckv::train
