#include "lckv/train/run_setup.h"

namespace lckv::train {

namespace {

Trainer::Options trainer_options(const config::RunConfig& config, DType dtype) {
  Trainer::Options options;
  options.dtype = dtype;
  options.B = micro_batches(config.train).B;
  options.T = config.data.sequence_tokens;
  options.document_mask = config.data.document_mask;
  options.recompute = config.train.recompute;
  return options;
}

}  // namespace

MicroBatches micro_batches(const config::TrainConfig& train) {
  const int64_t B =
      train.micro_batch_sequences > 0 ? train.micro_batch_sequences : train.sequences_per_step;
  return {B, train.sequences_per_step / B};
}

RunObjects::RunObjects(Arena& arena, const config::RunConfig& config, DType dtype)
    : trainer(arena, config.model, trainer_options(config, dtype)) {
  if (config.data.validation.empty()) return;
  eval::Scorer::Options options;
  options.dtype = dtype;
  options.B = micro_batches(config.train).B;
  options.T = config.data.sequence_tokens;
  options.document_mask = config.data.document_mask;
  options.mode = eval::parse_forward_mode("iterate", config.model);
  scorer = std::make_unique<eval::Scorer>(arena, config.model, options);
}

Arena plan_run_memory(const config::RunConfig& config, DType dtype) {
  Arena plan = Arena::planning();
  const RunObjects planned(plan, config, dtype);
  return plan;
}

}  // namespace lckv::train
