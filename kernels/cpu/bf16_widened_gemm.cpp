#include "lckv/kernels/cpu/bf16_widened_gemm.h"

#include "lckv/kernels/cpu/thread_scratch.h"
#include "lckv/tensor/bfloat16.h"

namespace lckv::ops::cpu {
namespace {

// A matrix whose rows are contiguous: a transposed operand is seen as its transpose.
struct Rows {
  int64_t count;
  int64_t length;
  int64_t stride;
};

Rows stored_rows(int64_t rows, int64_t cols, int64_t row_stride, int64_t col_stride) {
  return col_stride == 1 ? Rows{rows, cols, row_stride} : Rows{cols, rows, col_stride};
}

void widen(float* to, const void* from, Rows rows) {
  const auto* source = static_cast<const BFloat16*>(from);
#pragma omp parallel for schedule(static) if (rows.count * rows.length > 1 << 15)
  for (int64_t r = 0; r < rows.count; ++r) {
    for (int64_t i = 0; i < rows.length; ++i) {
      to[r * rows.length + i] = static_cast<float>(source[r * rows.stride + i]);
    }
  }
}

void narrow(void* to, const float* from, Rows rows) {
  auto* target = static_cast<BFloat16*>(to);
#pragma omp parallel for schedule(static) if (rows.count * rows.length > 1 << 15)
  for (int64_t r = 0; r < rows.count; ++r) {
    for (int64_t i = 0; i < rows.length; ++i) {
      target[r * rows.stride + i] = BFloat16(from[r * rows.length + i]);
    }
  }
}

}  // namespace

void bf16_widened_gemm(const GemmShape& shape, void* c, const void* a, const void* b,
                       const void* residual) {
  static thread_local ThreadScratch scratch;
  const Rows a_rows = stored_rows(shape.m, shape.k, shape.a_row_stride, shape.a_col_stride);
  const Rows b_rows = stored_rows(shape.k, shape.n, shape.b_row_stride, shape.b_col_stride);
  const bool narrows = shape.out == DType::kBF16;
  const int64_t a_elems = shape.m * shape.k;
  const int64_t b_elems = shape.k * shape.n;
  const int64_t c_elems = narrows ? shape.m * shape.n : 0;
  auto* a_wide = static_cast<float*>(
      scratch.reserve((a_elems + b_elems + c_elems) * static_cast<int64_t>(sizeof(float))));
  float* b_wide = a_wide + a_elems;
  float* c_wide = b_wide + b_elems;

  GemmShape wide = shape;
  wide.in = wide.out = DType::kF32;
  (shape.a_col_stride == 1 ? wide.a_row_stride : wide.a_col_stride) = a_rows.length;
  (shape.b_col_stride == 1 ? wide.b_row_stride : wide.b_col_stride) = b_rows.length;
  widen(a_wide, a, a_rows);
  widen(b_wide, b, b_rows);
  if (!narrows) {
    gemm(wide, c, a_wide, b_wide, residual);
    return;
  }
  // C starts from what is added to it: itself or the residual.
  wide.c_row_stride = shape.n;
  wide.residual_row_stride = 0;
  wide.accumulate = shape.accumulate || residual != nullptr;
  if (shape.accumulate) widen(c_wide, c, {shape.m, shape.n, shape.c_row_stride});
  if (residual != nullptr) widen(c_wide, residual, {shape.m, shape.n, shape.residual_row_stride});
  gemm(wide, c_wide, a_wide, b_wide);
  narrow(c, c_wide, {shape.m, shape.n, shape.c_row_stride});
}

}  // namespace lckv::ops::cpu
