#pragma once

#include "lckv/config/train.h"
#include "lckv/model/parameter_set.h"
#include "lckv/tensor/stream.h"

namespace lckv::train {

/// AdamW over a parameter table: fp32 masters and moments (F64 for F64 weights), decay on matrices
/// only, global-norm clipping.
class AdamW {
 public:
  /// Takes masters (only when the weights are BF16) and moments from `arena`.
  AdamW(Arena& arena, const model::ParameterTable& table, DType weights_dtype);

  /// Masters from freshly initialised or loaded weights: call after the weights were set; see also
  /// masters().
  void take_masters_from(Stream& stream, const model::ParameterSet& weights);

  /// Squared 2-norm of all gradients together, in double; not finite when any element is not.
  double gradient_norm_squared(Stream& stream, const model::ParameterSet& gradients);

  /// One update from the gradients whose squared norm the newest gradient_norm_squared() measured:
  /// clip to settings.clip_norm, decay, step. `step` counts from 1.
  void update(Stream& stream, const model::ParameterSet& weights,
              const model::ParameterSet& gradients, const config::OptimizerConfig& settings,
              double lr, int64_t step);

  /// Tensors of highest precision: the masters, or the weights themselves when those are not BF16.
  const model::ParameterSet& masters(const model::ParameterSet& weights) const;
  bool has_masters() const { return masters_ != nullptr; }
  const model::ParameterSet& first_moments() const { return m_; }
  const model::ParameterSet& second_moments() const { return v_; }

 private:
  std::unique_ptr<model::ParameterSet> masters_;  // null unless the weights are BF16
  model::ParameterSet m_, v_;
  View norm_squared_;  // [1] F64
  View clip_scale_;    // [1] acc
};

}  // namespace lckv::train
