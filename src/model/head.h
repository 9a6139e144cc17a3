#pragma once

#include "lckv/config/model.h"
#include "lckv/kernels/ops/grad_mode.h"
#include "lckv/model/dims.h"
#include "lckv/model/parameter_set.h"
#include "lckv/tensor/stream.h"

namespace lckv::model {

/// Final norm, LM head and loss, in chunks of rows: the logits of a whole batch never exist.
class Head {
 public:
  /// `training` also takes the buffers of the gradient.
  Head(Arena& arena, const config::ModelConfig& config, const Dims& dims, DType dtype,
       bool training);

  /// nll of every row.
  ///   hidden   [N, C]   act
  ///   targets  [N]      I32 or ops::kIgnoreTarget
  /// Returns [N] F32 (F64), valid until the next call.
  ConstView score(Stream& stream, const ParameterSet& weights, ConstView hidden, ConstView targets);

  /// The same, and the gradient of scale * sum(nll): into dhidden [N, C] acc (overwritten) and the
  /// weights of norm and head (mode).
  ConstView score_with_gradient(Stream& stream, const ParameterSet& weights,
                                const ParameterSet& gradients, ConstView hidden, ConstView targets,
                                View dhidden, double scale, ops::GradMode mode);

  /// Logits of all rows, for tests and small models: [N, V] F32 (F64), the caller's memory.
  void logits(Stream& stream, const ParameterSet& weights, ConstView hidden, View logits);

  int64_t chunk_rows() const { return chunk_rows_; }

 private:
  void normalize(Stream& stream, const ParameterSet& weights, ConstView hidden);

  double rms_norm_eps_;
  int64_t chunk_rows_;
  View x_, rstd_;          // [N, C] act, [N] acc
  View dx_;                // [N, C] act
  View logits_, dlogits_;  // [chunk, V] acc, act; the same memory when act = acc
  View nll_;               // [N] acc
};

}  // namespace lckv::model
