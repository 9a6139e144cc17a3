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
