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

void sum_of_squared_differences(Stream& stream, View total, ConstView x, ConstView y,
                                GradMode mode) {
  constexpr const char* kOp = "sum_of_squared_differences";
  check_total(kOp, stream, total, x);
  require_on_device(kOp, stream, {{"y", y}});
  require_dtype(kOp, "y", y, x.dtype());
  require_shape(kOp, "y", y, x.shape());
  require_contiguous(kOp, "y", y);
  require_no_overlap(kOp, {"total", total}, {"y", y});
  kernels(stream.device()).sum_of_squared_differences(stream, total, x, y, mode);
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
