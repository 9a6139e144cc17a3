#pragma once

#include "lckv/kernels/cpu/onednn_gemm.h"

namespace lckv::ops::cpu {

/// gemm() for BF16 operands by way of F32 copies of them, kept in scratch memory of the calling
/// thread.
void bf16_widened_gemm(const GemmShape& shape, void* c, const void* a, const void* b,
                       const void* residual);

}  // namespace lckv::ops::cpu
