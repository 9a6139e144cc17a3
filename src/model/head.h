#pragma once

#include "lckv/config/model.h"
#include "lckv/kernels/ops/cross_entropy.h"
#include "lckv/kernels/ops/grad_mode.h"
#include "lckv/model/dims.h"
#include "lckv/model/parameter_set.h"
#include "lckv/model/tensor_parallel.h"
#include "lckv/tensor/stream.h"

namespace lckv::model {

/// Final norm, LM head and loss, in chunks of rows: the logits of a whole batch never exist. The
/// vocabulary is split over the ranks of a copy; three numbers per row and rank are all that they
/// tell each other of their logits.
class Head {
 public:
  /// `training` also takes the buffers of the gradient. `tp` must outlive the head.
  Head(Arena& arena, const config::ModelConfig& config, const Dims& dims, DType dtype,
       bool training, const TensorParallel& tp);

  /// nll of every row.
  ///   hidden   [N_tp, C] act
  ///   targets  [N]      I32 or ops::kIgnoreTarget
  /// Returns [N] F32 (F64), valid until the next call.
  ConstView score(Stream& stream, const ParameterSet& weights, ConstView hidden, ConstView targets);

  /// The same, and the gradient of scale * sum(nll): into dhidden [N_tp, C] acc (overwritten) and
  /// the weights of norm and head (mode). scale [1] F64.
  ConstView score_with_gradient(Stream& stream, const ParameterSet& weights,
                                const ParameterSet& gradients, ConstView hidden, ConstView targets,
                                View dhidden, ConstView scale, ops::GradMode mode);

  /// Logits of all rows, for tests and small models: [N, V] F32 (F64), the caller's memory.
  void logits(Stream& stream, const ParameterSet& weights, ConstView hidden, View logits);

  int64_t chunk_rows() const { return chunk_rows_; }
  /// Rows of logits at once, at most.
  static int64_t most_chunk_rows(Device device);

 private:
  void normalize(Stream& stream, const ParameterSet& weights, ConstView hidden);

  void chunk_nll(Stream& stream, View nll, View logits, ConstView targets);
  void chunk_nll_and_gradient(Stream& stream, View nll, View dlogits, View logits,
                              ConstView targets, ConstView scale);
  View joined_total(Stream& stream, View nll, View logits, ConstView targets);

  double rms_norm_eps_;
  const TensorParallel& tp_;
  int64_t chunk_rows_;
  ops::VocabularyPart vocabulary_;  // this rank's
  View x_, rstd_;                   // [N, C] act, [N_tp] acc
  View dx_;                         // [N, C] act
  View logits_, dlogits_;           // [chunk, V_tp] acc, act; the same memory when act = acc
  View nll_;                        // [N] acc
  View parts_, total_;              // [tp * 3 * chunk], [2 * chunk] F64; of a split vocabulary
};

}  // namespace lckv::model
