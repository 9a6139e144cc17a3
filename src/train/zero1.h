#pragma once

#include <vector>

#include "lckv/comm/communicators.h"
#include "lckv/model/parameter_set.h"
#include "lckv/tensor/stream.h"

namespace lckv::train {

/// The communication of data parallelism with a sharded optimizer (ZeRO stage 1): gradients are
/// reduce-scattered bucket by bucket beside the backward sweep, weights all-gathered bucket by
/// bucket behind the updates. Collective over dp; every rank starts the buckets in the same order.
class Zero1 {
 public:
  Zero1(Arena& arena, const model::ParameterTable& table, const comm::Communicators& ranks);

  /// The bucket's gradients are complete on this rank. They must not be touched until
  /// finish_reduce(). Where there are several copies, it is noted first whether they are finite,
  /// because their sum no longer tells whose were not: one read of the bucket.
  void start_reduce(Stream& stream, const model::ParameterSet& gradients, int bucket);
  /// Afterwards the owned part of every started bucket holds the sum over dp, in F32 (F64), in rank
  /// order; the rest is unspecified.
  void finish_reduce() { finish(reducing_); }
  /// Whether the gradients that this rank put into the sums were finite in every bucket. True for a
  /// copy alone, which sums nothing.
  bool contribution_is_finite(Stream& stream) const;

  /// The owned part of the bucket's weights is up to date. Not to be read until finish_gather().
  void start_gather(Stream& stream, const model::ParameterSet& weights, int bucket);
  void finish_gather() { finish(gathering_); }

 private:
  static void finish(std::vector<comm::Pending>& pending);

  const comm::Communicators& ranks_;
  View squares_;  // [buckets] F64: of this rank's own gradients
  std::vector<comm::Pending> reducing_, gathering_;
};

}  // namespace lckv::train
