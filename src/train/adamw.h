#pragma once

#include <memory>

#include "lckv/comm/communicators.h"
#include "lckv/config/train.h"
#include "lckv/model/parameter_set.h"
#include "lckv/tensor/stream.h"

namespace lckv::train {

/// AdamW over the part of every bucket that this rank owns (ZeRO-1; all of it when dp = 1): fp32
/// masters and moments (F64 for F64 weights), decay on matrices only, global-norm clipping.
class AdamW {
 public:
  /// Takes masters (only when the weights are BF16) and moments from `arena`.
  AdamW(Arena& arena, const model::ParameterTable& table, DType weights_dtype, int dp_rank);

  /// Squared 2-norm of the gradient of the whole model, in double; not finite when any element is
  /// not. Reads the owned parts, where the sums over all ranks are. Collective over `world`; equal
  /// bits on every rank.
  double gradient_norm_squared(Stream& stream, const model::ParameterSet& gradients,
                               comm::Communicator& world);

  /// One update of the owned part of a bucket, from the gradients whose squared norm the newest
  /// gradient_norm_squared() measured: clip to settings.clip_norm, decay, step. `step` counts from
  /// 1.
  void update(Stream& stream, int bucket, const model::ParameterSet& weights,
              const model::ParameterSet& gradients, const config::OptimizerConfig& settings,
              double lr, int64_t step);

  bool has_masters() const { return masters_ != nullptr; }
  /// Of highest precision; only when has_masters(), else the weights themselves are.
  const model::OwnedSet& masters() const { return *masters_; }
  const model::OwnedSet& first_moments() const { return m_; }
  const model::OwnedSet& second_moments() const { return v_; }

 private:
  /// A stretch of this rank's owned part that lies in one storage tensor.
  struct Segment {
    int64_t begin = 0, end = 0;  // elements of the owned part
    bool decays = false;
    bool counts_here = true;
  };
  static std::vector<std::vector<Segment>> cut_segments(const model::ParameterTable& table,
                                                        int dp_rank);
  View own(const model::ParameterSet& set, size_t bucket) const;

  int dp_rank_;
  std::vector<std::vector<Segment>> segments_;  // by bucket
  std::unique_ptr<model::OwnedSet> masters_;    // null unless the weights are BF16
  model::OwnedSet m_, v_;
  View norm_squared_;  // [1] F64
  View clip_scale_;    // [1] acc
};

}  // namespace lckv::train
