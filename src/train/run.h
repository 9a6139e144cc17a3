#pragma once

#include <atomic>
#include <string>

#include "lckv/comm/world.h"
#include "lckv/config/run.h"

namespace lckv::train {

/// How a call of run_training ended.
struct RunResult {
  int64_t step = 0;            // steps done over the whole run, skipped updates included
  double loss = 0;             // of the last step
  double validation_loss = 0;  // of the last validation; NaN without validation data
  bool stopped = false;        // early, with everything saved: the same call continues
  bool in_start_up = false;    // before a step was done: there was nothing to save
  std::string reason;          // why: "signal SIGTERM"
  int64_t graph_launches = 0;  // micro-batches of this call that were launched as recorded graphs
};

/// Trains a run to its last step: plans and prints the memory, starts or continues (from the newest
/// saved state in `config.output`), writes config.yaml, metrics.jsonl, status.json and states
/// there. Collective over the world, on whose ranks the run's grid stands; rank 0 writes, but for
/// states, of which each rank writes its part. The same result on every rank.
///
///   stop   when it becomes true on any rank, or the time limit is reached, the micro-batch at hand
///          is finished, the state of the last whole step saved, `stopped` returned. During
///          start-up there is nothing to save
///
/// Throws ConfigError, DataError, IoError; Error with ExitCode::kDiverged when the loss or gradient
/// was not finite guards.max_nonfinite_steps times in a row. On several ranks what can be agreed on
/// (start-up, saves, validation data, divergence) is thrown by all as AgreedError with the same
/// exit codes; after anything else the caller must abort the world.
RunResult run_training(comm::World& world, const config::RunConfig& config,
                       const std::atomic<bool>& stop);

}  // namespace lckv::train
