#pragma once

#include "lckv/kernels/cpu/per_isa/kernels.h"

LCKV_CPU_BEGIN

/// A matrix of doubles that may lie transposed.
struct DoubleMatrix {
  const double* data;
  int64_t rows;
  int64_t cols;
  int64_t row_stride;
  int64_t col_stride;
};

/// C (+)= A B (+ R) in plain loops: the reference of tests, not made for speed.
///
/// `residual` may be null. Each element is one sum in the order of k: equal for every thread count.
void multiply_double(double* c, int64_t c_row_stride, const DoubleMatrix& a, const DoubleMatrix& b,
                     const double* residual, int64_t residual_row_stride, GradMode mode);

LCKV_CPU_END
