#pragma once

#include "lckv/kernels/cuda/gemm_key.h"
#include "lckv/tensor/stream.h"

namespace lckv::ops::cuda {

/// The product of any strides and alignments, one sum in the order of k per thread: for the few
/// that cuBLASLt has no algorithm for, not made for speed.
void matmul_general(Stream& stream, const GemmKey& key, const GemmOperands& at);

}  // namespace lckv::ops::cuda
