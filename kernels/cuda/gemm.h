#pragma once

#include "lckv/kernels/cuda/gemm_key.h"
#include "lckv/tensor/stream.h"

namespace lckv::ops::cuda {

/// Queues the product; key.alignments is filled in. The first of a key prepares it (about a
/// millisecond; more when it is timed, see kernels/gemm_tuning.h); the next ones find it. Cannot be
/// the device's first product while a graph is recorded. From any thread.
void gemm(Stream& stream, GemmKey key, const GemmOperands& at);

}  // namespace lckv::ops::cuda
