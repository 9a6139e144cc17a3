#include "lckv/kernels/cpu/onednn_gemm.h"
#include "lckv/kernels/cpu/per_isa/kernels.h"
#include "lckv/kernels/cpu/per_isa/matmul_double.h"
#include "lckv/kernels/cpu/per_isa/thin_product.h"

LCKV_CPU_BEGIN
namespace {

/// A view as it stands in a product: rows x cols at these strides.
struct Operand {
  const ConstView& view;
  int64_t rows;
  int64_t cols;
  int64_t row_stride;
  int64_t col_stride;
};

// The distance between the rows of a one-row view means nothing: without gaps oneDNN is faster.
int64_t row_stride(const ConstView& view) {
  return view.dim(0) == 1 ? view.dim(1) : view.stride(0);
}

Operand plain(const ConstView& view) {
  return {view, view.dim(0), view.dim(1), row_stride(view), 1};
}

Operand transposed(const ConstView& view) {
  return {view, view.dim(1), view.dim(0), 1, row_stride(view)};
}

DoubleMatrix double_matrix(const Operand& m) {
  return {m.view.data<double>(), m.rows, m.cols, m.row_stride, m.col_stride};
}

/// C (+)= A B (+ R); an empty residual is none.
void multiply(View c, const Operand& a, const Operand& b, GradMode mode,
              const ConstView& residual = {}) {
  const int64_t residual_stride = residual ? row_stride(residual) : 0;
  if (c.dtype() == DType::kF64) {
    multiply_double(c.data<double>(), c.stride(0), double_matrix(a), double_matrix(b),
                    residual ? residual.data<double>() : nullptr, residual_stride, mode);
    return;
  }
  const cpu::GemmShape shape{.in = a.view.dtype(),
                             .out = c.dtype(),
                             .m = a.rows,
                             .n = b.cols,
                             .k = a.cols,
                             .a_row_stride = a.row_stride,
                             .a_col_stride = a.col_stride,
                             .b_row_stride = b.row_stride,
                             .b_col_stride = b.col_stride,
                             .c_row_stride = row_stride(c),
                             .residual_row_stride = residual_stride,
                             .accumulate = mode == GradMode::kAccumulate};
  cpu::gemm(shape, c.raw(), a.view.raw(), b.view.raw(), residual ? residual.raw() : nullptr);
}

/// y = x w^T (+ residual).
void multiply_rows(View y, ConstView x, ConstView w, const ConstView& residual) {
  const bool is_thin = x.dim(0) >= 1 && x.dim(0) <= kThinRows && x.dtype() != DType::kF64;
  if (!is_thin) {
    multiply(y, plain(x), transposed(w), GradMode::kOverwrite, residual);
  } else if (x.dtype() == DType::kF32) {
    thin_product<float, float>(y, x, w, residual);
  } else if (y.dtype() == DType::kF32) {
    thin_product<BFloat16, float>(y, x, w, residual);
  } else {
    thin_product<BFloat16, BFloat16>(y, x, w, residual);
  }
}

}  // namespace

void matmul_forward(Stream&, View y, ConstView x, ConstView w) { multiply_rows(y, x, w, {}); }

void matmul_add_forward(Stream&, View y, ConstView x, ConstView w, ConstView residual) {
  multiply_rows(y, x, w, residual);
}

void matmul_backward_input(Stream&, View dx, ConstView dy, ConstView w, GradMode mode) {
  multiply(dx, plain(dy), plain(w), mode);
}

void matmul_backward_weight(Stream&, View dw, ConstView dy, ConstView x, GradMode mode) {
  multiply(dw, transposed(dy), plain(x), mode);
}

LCKV_CPU_END
