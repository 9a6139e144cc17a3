#include "lckv/kernels/ops/matmul.h"

#include "lckv/kernels/ops/check.h"
#include "lckv/kernels/table.h"

namespace lckv::ops {
namespace {

/// One operand of a product, as the op's header names it.
struct Matrix {
  const char* name;
  const ConstView& view;
};

void check_matrix(const char* op, const Matrix& matrix, DType dtype, int64_t rows, int64_t cols) {
  require_dtype(op, matrix.name, matrix.view, dtype);
  require_shape(op, matrix.name, matrix.view, {rows, cols});
  require_row_contiguous(op, matrix.name, matrix.view);
}

/// The output: dtype of the operands, or the accumulator's.
void check_output(const char* op, const Matrix& out, DType in, int64_t rows, int64_t cols) {
  require_dtype(op, out.name, out.view, {in, accumulator(in)});
  require_shape(op, out.name, out.view, {rows, cols});
  require_row_contiguous(op, out.name, out.view);
}

void check_operands(const char* op, const Matrix& a, const Matrix& b) {
  require_float(op, a.name, a.view);
  for (const Matrix& matrix : {a, b}) require_rank(op, matrix.name, matrix.view, 2);
  for (const Matrix& matrix : {a, b}) require_row_contiguous(op, matrix.name, matrix.view);
  require_dtype(op, b.name, b.view, a.view.dtype());
  for (const Matrix& matrix : {a, b}) {
    const auto width = static_cast<double>(matrix.view.dim(1));
    require_value(width > 0.0, op, "the rows of every operand must have elements", width);
  }
  require_value(b.view.dim(0) > 0, op, "w must have rows", static_cast<double>(b.view.dim(0)));
}

void check_forward(const char* op, const Stream& stream, const View& y, const ConstView& x,
                   const ConstView& w) {
  require_on_device(op, stream, {{"y", y}, {"x", x}, {"w", w}});
  check_operands(op, {"x", x}, {"w", w});
  check_matrix(op, {"w", w}, x.dtype(), w.dim(0), x.dim(1));
  check_output(op, {"y", y}, x.dtype(), x.dim(0), w.dim(0));
  require_no_overlap(op, {"y", y}, {"x", x});
  require_no_overlap(op, {"y", y}, {"w", w});
}

}  // namespace

void matmul_forward(Stream& stream, View y, ConstView x, ConstView w) {
  check_forward("matmul_forward", stream, y, x, w);
  if (x.dim(0) == 0) return;
  kernels(stream.device()).matmul_forward(stream, y, x, w);
}

void matmul_add_forward(Stream& stream, View y, ConstView x, ConstView w, ConstView residual) {
  constexpr const char* kOp = "matmul_add_forward";
  check_forward(kOp, stream, y, x, w);
  require_on_device(kOp, stream, {{"residual", residual}});
  require_dtype(kOp, "y", y, x.dtype());
  check_matrix(kOp, {"residual", residual}, x.dtype(), x.dim(0), w.dim(0));
  require_no_overlap(kOp, {"y", y}, {"residual", residual});
  if (x.dim(0) == 0) return;
  kernels(stream.device()).matmul_add_forward(stream, y, x, w, residual);
}

void matmul_backward_input(Stream& stream, View dx, ConstView dy, ConstView w, GradMode mode) {
  constexpr const char* kOp = "matmul_backward_input";
  require_on_device(kOp, stream, {{"dx", dx}, {"dy", dy}, {"w", w}});
  check_operands(kOp, {"dy", dy}, {"w", w});
  check_matrix(kOp, {"w", w}, dy.dtype(), dy.dim(1), w.dim(1));
  check_output(kOp, {"dx", dx}, dy.dtype(), dy.dim(0), w.dim(1));
  require_no_overlap(kOp, {"dx", dx}, {"dy", dy});
  require_no_overlap(kOp, {"dx", dx}, {"w", w});
  if (dy.dim(0) == 0) return;
  kernels(stream.device()).matmul_backward_input(stream, dx, dy, w, mode);
}

void matmul_backward_weight(Stream& stream, View dw, ConstView dy, ConstView x, GradMode mode) {
  constexpr const char* kOp = "matmul_backward_weight";
  require_on_device(kOp, stream, {{"dw", dw}, {"dy", dy}, {"x", x}});
  require_float(kOp, "dy", dy);
  require_rank(kOp, "dy", dy, 2);
  require_rank(kOp, "x", x, 2);
  require_row_contiguous(kOp, "dy", dy);
  check_matrix(kOp, {"x", x}, dy.dtype(), dy.dim(0), x.dim(1));
  check_matrix(kOp, {"dw", dw}, accumulator(dy.dtype()), dy.dim(1), x.dim(1));
  require_no_overlap(kOp, {"dw", dw}, {"dy", dy});
  require_no_overlap(kOp, {"dw", dw}, {"x", x});
  if (dw.numel() == 0) return;
  if (dy.dim(0) == 0) {
    if (mode == GradMode::kOverwrite) kernels(stream.device()).fill_zero(stream, dw);
    return;
  }
  kernels(stream.device()).matmul_backward_weight(stream, dw, dy, x, mode);
}

}  // namespace lckv::ops
