#include "lckv/kernels/cpu/per_isa/matmul_double.h"

#include <algorithm>
#include <vector>

LCKV_CPU_BEGIN
namespace {

constexpr int64_t kRowsAtOnce = 4;    // one load of B serves four rows of A
constexpr int64_t kColsAtOnce = 256;  // four such pieces of C stay in the first cache

/// B with contiguous rows: itself, or a copy of a transposed one.
const double* rows_of(const DoubleMatrix& b, std::vector<double>& copy, int64_t& row_stride) {
  row_stride = b.row_stride;
  if (b.col_stride == 1) return b.data;
  row_stride = b.cols;
  copy.resize(static_cast<size_t>(b.rows * b.cols));
#pragma omp parallel for schedule(static)
  for (int64_t k = 0; k < b.rows; ++k) {
    for (int64_t n = 0; n < b.cols; ++n) {
      copy[static_cast<size_t>(k * b.cols + n)] = b.data[k * b.row_stride + n * b.col_stride];
    }
  }
  return copy.data();
}

/// sums[row] += A[first_row + row, :] B[:, begin .. begin + width)
void add_products(double (&sums)[kRowsAtOnce][kColsAtOnce], const DoubleMatrix& a,
                  int64_t first_row, const double* b, int64_t b_row_stride, int64_t begin,
                  int64_t width) {
  // A row beyond the end repeats the last one; its sum is not stored.
  const double* rows[kRowsAtOnce];
  for (int64_t r = 0; r < kRowsAtOnce; ++r) {
    rows[r] = a.data + std::min(first_row + r, a.rows - 1) * a.row_stride;
  }
  for (int64_t k = 0; k < a.cols; ++k) {
    const double* b_row = b + k * b_row_stride + begin;
    const int64_t at = k * a.col_stride;
    const double a0 = rows[0][at], a1 = rows[1][at], a2 = rows[2][at], a3 = rows[3][at];
#pragma omp simd
    for (int64_t n = 0; n < width; ++n) {
      sums[0][n] += a0 * b_row[n];
      sums[1][n] += a1 * b_row[n];
      sums[2][n] += a2 * b_row[n];
      sums[3][n] += a3 * b_row[n];
    }
  }
}

}  // namespace

void multiply_double(double* c, int64_t c_row_stride, const DoubleMatrix& a, const DoubleMatrix& b,
                     const double* residual, int64_t residual_row_stride, GradMode mode) {
  std::vector<double> copy;
  int64_t b_row_stride = 0;
  const double* b_rows = rows_of(b, copy, b_row_stride);
#pragma omp parallel for schedule(static) collapse(2)
  for (int64_t row = 0; row < a.rows; row += kRowsAtOnce) {
    for (int64_t begin = 0; begin < b.cols; begin += kColsAtOnce) {
      const int64_t width = std::min(kColsAtOnce, b.cols - begin);
      double sums[kRowsAtOnce][kColsAtOnce] = {};
      add_products(sums, a, row, b_rows, b_row_stride, begin, width);
      for (int64_t r = 0; r < std::min(kRowsAtOnce, a.rows - row); ++r) {
        double* target = c + (row + r) * c_row_stride + begin;
        const double* add = nullptr;
        if (mode == GradMode::kAccumulate) add = target;
        if (residual != nullptr) add = residual + (row + r) * residual_row_stride + begin;
        for (int64_t n = 0; n < width; ++n) {
          target[n] = sums[r][n] + (add != nullptr ? add[n] : 0.0);
        }
      }
    }
  }
}

LCKV_CPU_END
