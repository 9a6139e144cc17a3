#include "lckv/train/run_setup.h"

namespace lckv::train {

namespace {

Trainer::Options trainer_options(const config::RunConfig& config, DType dtype,
                                 const comm::Communicators& ranks) {
  Trainer::Options options;
  options.dtype = dtype;
  options.ranks = &ranks;
  options.sequence_parallel = config.parallel.sequence;
  options.B = micro_batches(config.train, ranks.grid.dp).B;
  options.T = config.data.sequence_tokens;
  options.document_mask = config.data.document_mask;
  options.recompute = config.train.recompute;
  options.graphs = config.train.graphs;
  return options;
}

eval::Scorer::Options scorer_options(const config::RunConfig& config, DType dtype,
                                     const comm::Communicators& ranks) {
  eval::Scorer::Options options;
  options.dtype = dtype;
  options.ranks = &ranks;
  options.sequence_parallel = config.parallel.sequence;
  options.B = micro_batches(config.train, ranks.grid.dp).B;
  options.T = config.data.sequence_tokens;
  options.document_mask = config.data.document_mask;
  options.mode = eval::parse_forward_mode("iterate", config.model);
  return options;
}

}  // namespace

RunObjects::RunObjects(Arena& arena, const config::RunConfig& config, DType dtype,
                       const comm::Communicators& ranks)
    : trainer(arena, config.model, trainer_options(config, dtype, ranks)) {
  if (!config.data.validation.empty()) {
    scorer =
        std::make_unique<eval::Scorer>(arena, config.model, scorer_options(config, dtype, ranks));
  }
  if (config.eval.is_on()) {
    evaluation = std::make_unique<EvaluationScorers>(config, trainer.weights(), ranks,
                                                     arena.device(), arena.is_planning());
  }
  if (!config.checkpoint.asynchronous) return;
  if (arena.device().kind == DeviceKind::kCpu) {
    snapshot = std::make_unique<StateSnapshot>(arena, trainer);
  } else if (!arena.is_planning()) {
    Arena plan = Arena::planning();
    const StateSnapshot planned(plan, trainer);
    snapshot_memory_.emplace(Arena::allocate_staging(plan, arena.device()));
    snapshot = std::make_unique<StateSnapshot>(*snapshot_memory_, trainer);
  }
}

Arena plan_run_memory(const config::RunConfig& config, DType dtype,
                      const comm::Communicators& ranks, Device device) {
  Arena plan = Arena::planning(device);
  const RunObjects planned(plan, config, dtype, ranks);
  return plan;
}

}  // namespace lckv::train
