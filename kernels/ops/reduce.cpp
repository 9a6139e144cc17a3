#include "lckv/kernels/ops/reduce.h"

#include "lckv/kernels/ops/check.h"
#include "lckv/kernels/table.h"

namespace lckv::ops {
namespace {

void check_total(const char* op, const Stream& stream, const ConstView& total, const ConstView& x) {
  require_on_device(op, stream, {{"total", total}, {"x", x}});
  require_shape(op, "total", total, {1});
  require_dtype(op, "total", total, DType::kF64);
  require_float(op, "x", x);
  require_contiguous(op, "x", x);
  require_no_overlap(op, {"total", total}, {"x", x});
}

}  // namespace

void sum(Stream& stream, View total, ConstView x, GradMode mode) {
  check_total("sum", stream, total, x);
  kernels(stream.device()).sum(stream, total, x, mode);
}

void sum_of_squares(Stream& stream, View total, ConstView x, GradMode mode) {
  check_total("sum_of_squares", stream, total, x);
  kernels(stream.device()).sum_of_squares(stream, total, x, mode);
}

void row_changes(Stream& stream, View squares, ConstView x, ConstView before) {
  constexpr const char* kOp = "row_changes";
  require_on_device(kOp, stream, {{"squares", squares}, {"x", x}, {"before", before}});
  require_rank(kOp, "x", x, 2);
  require_float(kOp, "x", x);
  require_row_contiguous(kOp, "x", x);
  require_shape(kOp, "before", before, x.shape());
  require_dtype(kOp, "before", before, x.dtype());
  require_row_contiguous(kOp, "before", before);
  require_shape(kOp, "squares", squares, {x.dim(0), 2});
  require_dtype(kOp, "squares", squares, DType::kF64);
  require_contiguous(kOp, "squares", squares);
  require_no_overlap(kOp, {"squares", squares}, {"x", x});
  require_no_overlap(kOp, {"squares", squares}, {"before", before});
  if (squares.numel() == 0) return;
  kernels(stream.device()).row_changes(stream, squares, x, before);
}

void argmax(Stream& stream, View index, ConstView x) {
  constexpr const char* kOp = "argmax";
  require_on_device(kOp, stream, {{"index", index}, {"x", x}});
  require_rank(kOp, "x", x, 2);
  require_dtype(kOp, "x", x, {DType::kF32, DType::kF64});
  require_row_contiguous(kOp, "x", x);
  require_value(x.dim(1) > 0, kOp, "a row must have a column", static_cast<double>(x.dim(1)));
  require_shape(kOp, "index", index, {x.dim(0)});
  require_dtype(kOp, "index", index, DType::kI32);
  require_contiguous(kOp, "index", index);
  require_no_overlap(kOp, {"index", index}, {"x", x});
  if (index.numel() == 0) return;
  kernels(stream.device()).argmax(stream, index, x);
}

void clip_scale(Stream& stream, View scale, ConstView sum_of_squares, double max_norm) {
  constexpr const char* kOp = "clip_scale";
  require_on_device(kOp, stream, {{"scale", scale}, {"sum_of_squares", sum_of_squares}});
  require_shape(kOp, "scale", scale, {1});
  require_dtype(kOp, "scale", scale, {DType::kF32, DType::kF64});
  require_shape(kOp, "sum_of_squares", sum_of_squares, {1});
  require_dtype(kOp, "sum_of_squares", sum_of_squares, DType::kF64);
  require_value(max_norm >= 0, kOp, "max_norm must not be negative", max_norm);
  kernels(stream.device()).clip_scale(stream, scale, sum_of_squares, max_norm);
}

}  // namespace lckv::ops
