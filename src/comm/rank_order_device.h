#pragma once

#include <cstdint>

#include "lckv/comm/communicator.h"

namespace lckv::comm {

/// What every rank brings to a sum, in device memory.
struct DeviceParts {
  const void* own;     // of `rank`
  const void* staged;  // of every other rank r: from element r * slot_elems on
  int64_t slot_elems;
  int rank;
  int size;
};

/// combine_in_rank_order (rank_order.h) on a GPU, with equal bits; `to` may be parts.own. Queued on
/// `stream`, a cudaStream_t. Throws CudaError.
void combine_in_rank_order_on_device(void* stream, DType dtype, ReduceOp op, void* to,
                                     const DeviceParts& parts, int64_t count);

}  // namespace lckv::comm
