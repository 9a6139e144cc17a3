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

  /// Sums of squares in double over all ranks: not finite when any element is not.
  struct Norms {
    double gradient_squared = 0;  // squared 2-norm of the gradient of the whole model
    // of whatever else an update reads: masters, moments, gradients that the norm counts on another
    // rank, the loss
    double rest_squared = 0;
    bool finite() const;
  };
  /// Measures what an update would read, in one all-reduce. Reads the owned parts, where the sums
  /// over all ranks are: 16 bytes per owned F32 parameter, 4 of them for the norm. Every weight
  /// that an update leaves is made of what is measured here. Collective over `world`; equal bits on
  /// every rank.
  ///
  ///   loss  [1] F64, on the stream's device, as this rank knows it: not finite on one, it is so
  ///         for all
  ///
  /// Waits for the device: it is where a step's numbers reach the host.
  Norms measure(Stream& stream, const model::ParameterSet& weights,
                const model::ParameterSet& gradients, ConstView loss, comm::Communicator& world);

  /// One update of the owned part of a bucket, from the gradients whose norm the newest measure()
  /// took: clip to settings.clip_norm, decay, step. `step` counts from 1.
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
  /// The owned part of the tensors of highest precision.
  View highest(const model::ParameterSet& weights, size_t bucket) const;

  int dp_rank_;
  std::vector<std::vector<Segment>> segments_;  // by bucket
  std::unique_ptr<model::OwnedSet> masters_;    // null unless the weights are BF16
  model::OwnedSet m_, v_;
  View norms_;       // [2] F64: as in Norms
  View clip_scale_;  // [1] acc
};

}  // namespace lckv::train
