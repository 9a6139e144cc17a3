#pragma once

#include <cstdint>

#include "lckv/tensor/dtype.h"

namespace lckv::ops::cpu {

/// What a matrix product C = A B looks like, without its addresses. Strides are in elements; of the
/// two strides of A, and of those of B, one is 1: the other one says whether the matrix lies
/// transposed in memory.
struct GemmShape {
  DType in = DType::kF32;   // of A and B: BF16 or F32
  DType out = DType::kF32;  // of C and the residual: `in`, or F32 beside BF16
  int64_t m = 0;            // all three > 0
  int64_t n = 0;
  int64_t k = 0;
  int64_t a_row_stride = 0;  // A is [m, k]
  int64_t a_col_stride = 1;
  int64_t b_row_stride = 0;  // B is [k, n]
  int64_t b_col_stride = 1;
  int64_t c_row_stride = 0;         // C is [m, n], columns contiguous
  int64_t residual_row_stride = 0;  // > 0: C = A B + R with R [m, n]; 0: no residual
  bool accumulate = false;          // C += A B; not together with a residual
  bool caller_only =
      false;  // runs in the calling thread alone: for calls from inside a parallel region

  bool operator==(const GemmShape&) const = default;
};

/// The product through oneDNN's matmul: sums in F32, one rounding at the end. The order of a sum
/// depends on the shape and, unless caller_only, on the thread count; on nothing else. Safe from
/// any thread.
///
/// oneDNN is fastest when rows lie without gaps (BF16: up to twice as fast). The first call of a
/// shape in a thread prepares it (0.2-2 ms); later calls find it in well under a microsecond.
///
/// Where the machine does not multiply BF16 natively (bf16_gemm_is_native), BF16 operands are
/// widened into scratch memory and multiplied as F32, which is faster there than oneDNN's own BF16
/// and works on every instruction set. Throws InternalError naming the shape when oneDNN refuses
/// it.
void gemm(const GemmShape& shape, void* c, const void* a, const void* b,
          const void* residual = nullptr);

/// Whether oneDNN multiplies BF16 with AMX tiles here. Its other BF16 kernels are slower than F32.
bool bf16_gemm_is_native();

}  // namespace lckv::ops::cpu
