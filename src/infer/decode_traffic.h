#pragma once

#include <cstdint>

#include "lckv/infer/retention.h"
#include "lckv/model/dims.h"
#include "lckv/model/plan.h"
#include "lckv/tensor/dtype.h"

namespace lckv::infer {

/// Bytes that a decoding step cannot do without reading, on one rank.
struct DecodeTraffic {
  int64_t weights_bytes = 0;
  int64_t kv_bytes = 0;

  int64_t total_bytes() const { return weights_bytes + kv_bytes; }
};

/// The sequences of a batch, all equally long.
struct DecodeContext {
  int64_t sequences = 1;
  int64_t cached_tokens = 0;  // of each, before the step
  int64_t shared_tokens = 0;  // of them, whose keys and values all sequences have in common
};

/// Of one step that computes one more token of every sequence: what each cell of the plan runs is
/// read once per visit, its keys and values once per sequence (those in common once), the head and
/// one row of the embedding per sequence. Activations and what is written are not counted.
///
///   plan    of one pass, for one new token
///   dims    this rank's parts
DecodeTraffic decode_traffic(const model::Plan& plan, const model::Dims& dims, DType dtype,
                             const SinkWindow& streaming, const DecodeContext& context);

}  // namespace lckv::infer
