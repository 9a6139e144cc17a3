#pragma once

#include <cstdint>
#include <span>

#include "lckv/comm/communicator.h"

namespace lckv::comm {

/// to[i] = from[0][i] op from[1][i] op ..., strictly in that order: the one definition of what a
/// reduction's bits are. Sums run in F32 for BF16 and F32, in F64 for F64, rounded once; integers
/// wrap. The maximum with a NaN is NaN.
///
///   to    [count]  out  may be one of `from`
///   from  [count]       by rank
void combine_in_rank_order(DType dtype, ReduceOp op, void* to, std::span<const void* const> from,
                           int64_t count);

}  // namespace lckv::comm
