#pragma once

#include <functional>

#include "lckv/config/run.h"
#include "lckv/model/model.h"
#include "lckv/train/adamw.h"
#include "lckv/train/nonfinite_report.h"
#include "lckv/train/zero1.h"

namespace lckv::train {

enum class StepOutcome : uint8_t {
  kApplied,
  kNotFinite,  // NaN or infinite: loss, gradients, weights or the optimizer's tensors
  kRefused,    // by the caller
};

/// What one optimizer step did. Equal on every rank.
struct StepResult {
  double loss = 0;       // mean NLL over the scored targets of the global batch
  double grad_norm = 0;  // before clipping
  double lr = 0;
  int64_t scored_targets = 0;
  StepOutcome outcome = StepOutcome::kApplied;
  bool updated = true;         // outcome is kApplied; else nothing was changed
  NonFiniteReport not_finite;  // why, when it is kNotFinite
};

/// The training arithmetic: weights, gradients, optimizer, network, all in one planned arena.
/// step() is collective over the grid; what sets weights is not.
class Trainer {
 public:
  struct Options {
    DType dtype = DType::kF32;  // of weights and activations
    int64_t B = 1;              // sequences of a micro-batch
    int64_t T = 1;
    bool document_mask = false;
    config::Recompute recompute = config::Recompute::kNone;
    model::PlanOptions plan;
    // the grid's; they outlive the trainer
    const comm::Communicators* ranks = &comm::single_process();
    bool sequence_parallel = false;
    bool graphs = false;  // see model::ModelOptions
  };

  /// Plans or takes all memory of a training process from `arena`, in this order: weights,
  /// gradients, optimizer, network.
  Trainer(Arena& arena, const config::ModelConfig& config, const Options& options);

  /// Call once on a real arena, before weights are set.
  void prepare(Stream& stream);
  /// Fresh weights by (seed, name, index): drawn at the masters' precision, rounded once.
  void initialize(Stream& stream, uint64_t seed);
  /// Sets weights, and masters where there are any, from values at the masters' precision:
  /// fill(parameter, local) fills this rank's part of a parameter, of its `local` shape. Padding
  /// rows come zeroed.
  using Fill = std::function<void(const model::Parameter& parameter, View local)>;
  void set_weights(Stream& stream, const Fill& fill);

  /// Makes weights whose owned parts alone are up to date whole: rounds the owned masters into the
  /// owned parts, where there are masters, and gathers those over dp. Whoever fills owned_masters()
  /// calls it; afterwards weights are what set_weights() would have made of the same values.
  /// Collective over dp.
  void gather_weights(Stream& stream);

  /// Micro-batch i of this rank.
  using NextBatch = std::function<model::TokenBatch(int64_t i)>;
  /// Whether an update is to happen, asked when everything was found finite and nothing has been
  /// changed yet: arguments, and so must be answers, are equal on every rank.
  using Accept = std::function<bool(double loss, double grad_norm)>;

  /// One update with learning rate `lr` from this rank's micro-batches given one by one by
  /// `next(i)`, i = 0..micro_batches-1: its part of the global batch. `scored_targets`: theirs.
  /// `step` counts from 1. Left out on every rank when anything that it reads is not finite on any,
  /// or `accept` says no.
  StepResult step(Stream& stream, const NextBatch& next, int64_t micro_batches,
                  int64_t scored_targets, const config::OptimizerConfig& optimizer, double lr,
                  int64_t step, const Accept& accept = {});

  const model::ParameterSet& weights() const { return weights_; }
  const model::ParameterSet& gradients() const { return gradients_; }
  /// Tensors of highest precision: the masters, or the weights themselves when those are not BF16.
  /// Where one rank owns everything (dp = 1).
  const model::ParameterSet& masters() const {
    return optimizer_.has_masters() ? optimizer_.masters().whole() : weights_;
  }
  /// What this rank owns of them, flat, by bucket.
  std::vector<View> owned_masters() const;
  const std::vector<View>& owned_first_moments() const {
    return optimizer_.first_moments().parts();
  }
  const std::vector<View>& owned_second_moments() const {
    return optimizer_.second_moments().parts();
  }
  const AdamW& optimizer() const { return optimizer_; }
  model::Model& network() { return network_; }
  const model::Model& network() const { return network_; }
  const config::ModelConfig& config() const { return config_; }
  const comm::Communicators& ranks() const { return ranks_; }

 private:
  double global_sum(double value, const char* label) const;
  /// Gradients of scale * sum of NLL, reduced into the owned parts. Afterwards loss_ holds this
  /// rank's sum.
  void sweep(Stream& stream, const NextBatch& next, int64_t micro_batches, double scale);
  /// What each rank owns of the buckets of weights or gradients.
  std::vector<View> owned_parts(const model::ParameterSet& set) const;
  /// Collective over the world.
  NonFiniteReport find_not_finite(Stream& stream, double loss) const;
  void update(Stream& stream, const config::OptimizerConfig& optimizer, double lr, int64_t step);

  const comm::Communicators& ranks_;
  config::ModelConfig config_;
  model::ParameterTable table_;
  model::ParameterSet weights_, gradients_;
  AdamW optimizer_;
  Zero1 zero1_;
  View loss_;  // [2] F64: sum of NLL of this rank's micro-batches, of all copies
  model::Model network_;
};

}  // namespace lckv::train
