#pragma once

#include <string>

#include "lckv/config/checkpoint.h"
#include "lckv/config/data.h"
#include "lckv/config/eval.h"
#include "lckv/config/guards.h"
#include "lckv/config/model.h"
#include "lckv/config/parallel.h"
#include "lckv/config/train.h"
#include "lckv/config/watch.h"

namespace lckv::config {

/// A whole run file; each member is one YAML section, each field one key.
struct RunConfig {
  std::string output;  // key `output:`, the run's folder: resolved config, metrics, saved states
  ModelConfig model;
  DataConfig data;
  TrainConfig train;
  ParallelConfig parallel;
  OptimizerConfig optimizer;
  ScheduleConfig schedule;
  ValidationConfig validation;
  EvalConfig eval;
  CheckpointConfig checkpoint;
  GuardsConfig guards;
  WatchConfig watch;
};

}  // namespace lckv::config
