#pragma once

#include <functional>

#include "lckv/config/run.h"
#include "lckv/model/model.h"
#include "lckv/train/adamw.h"

namespace lckv::train {

/// What one optimizer step did.
struct StepResult {
  double loss = 0;       // mean NLL over the scored targets of the global batch
  double grad_norm = 0;  // before clipping
  double lr = 0;
  int64_t scored_targets = 0;
  bool updated = true;  // false: loss or gradient was not finite, nothing was changed
};

/// The training arithmetic: weights, gradients, optimizer, network, all in one planned arena.
class Trainer {
 public:
  struct Options {
    DType dtype = DType::kF32;  // of weights and activations
    int64_t B = 1;              // sequences of a micro-batch
    int64_t T = 1;
    bool document_mask = false;
    config::Recompute recompute = config::Recompute::kNone;
    model::PlanOptions plan;
  };

  /// Plans or takes all memory of a training process from `arena`, in this order: weights,
  /// gradients, optimizer, network.
  Trainer(Arena& arena, const config::ModelConfig& config, const Options& options);

  /// Call once on a real arena, before weights are set.
  void prepare(Stream& stream);
  /// Fresh weights by (seed, name, index): drawn at the masters' precision, rounded once.
  void initialize(Stream& stream, uint64_t seed);
  /// Call after the tensors of masters() were filled from outside: rounds them into the weights.
  void publish_masters(Stream& stream);

  /// One update with learning rate `lr` from the micro-batches given one by one by `next(i)`, i =
  /// 0..micro_batches-1. `scored_targets` is their sum over the global batch, known before the
  /// first backward. `step` counts from 1.
  StepResult step(Stream& stream, const std::function<model::TokenBatch(int64_t)>& next,
                  int64_t micro_batches, int64_t scored_targets,
                  const config::OptimizerConfig& optimizer, double lr, int64_t step);

  const model::ParameterSet& weights() const { return weights_; }
  const model::ParameterSet& gradients() const { return gradients_; }
  const model::ParameterSet& masters() const { return optimizer_.masters(weights_); }
  const AdamW& optimizer() const { return optimizer_; }
  model::Model& network() { return network_; }
  const model::Model& network() const { return network_; }
  const config::ModelConfig& config() const { return config_; }

 private:
  config::ModelConfig config_;
  model::ParameterTable table_;
  model::ParameterSet weights_, gradients_;
  AdamW optimizer_;
  model::Model network_;
};

}  // namespace lckv::train
