#pragma once

#include <vector>

#include "lckv/comm/communicators.h"
#include "lckv/model/parameter_set.h"

namespace lckv::train {

/// The communication of data parallelism with a sharded optimizer (ZeRO stage 1): gradients are
/// reduce-scattered bucket by bucket beside the backward sweep, weights all-gathered bucket by
/// bucket behind the updates. Collective over dp; every rank starts the buckets in the same order.
class Zero1 {
 public:
  explicit Zero1(const comm::Communicators& ranks) : ranks_(ranks) {}

  /// The bucket's gradients are complete on this rank. They must not be touched until
  /// finish_reduce().
  void start_reduce(Stream& stream, const model::ParameterSet& gradients, int bucket);
  /// Afterwards the owned part of every started bucket holds the sum over dp, in F32 (F64), in rank
  /// order; the rest is unspecified.
  void finish_reduce() { finish(reducing_); }

  /// The owned part of the bucket's weights is up to date. Not to be read until finish_gather().
  void start_gather(Stream& stream, const model::ParameterSet& weights, int bucket);
  void finish_gather() { finish(gathering_); }

 private:
  static void finish(std::vector<comm::Pending>& pending);

  const comm::Communicators& ranks_;
  std::vector<comm::Pending> reducing_, gathering_;
};

}  // namespace lckv::train
