#include "lckv/kernels/ops/rope.h"

#include "lckv/kernels/ops/check.h"
#include "lckv/kernels/table.h"

namespace lckv::ops {
namespace {

void check_tables(const char* op, const ConstView& cos, const ConstView& sin) {
  require_rank(op, "cos", cos, 2);
  require_shape(op, "sin", sin, cos.shape());
  require_dtype(op, "sin", sin, cos.dtype());
  require_contiguous(op, "cos", cos);
  require_contiguous(op, "sin", sin);
}

void check_rotation(const char* op, const Stream& stream, NamedView x, const ConstView& cos,
                    const ConstView& sin, const ConstView& positions) {
  require_on_device(op, stream, {x, {"cos", cos}, {"sin", sin}, {"positions", positions}});
  const ConstView& rotated = x.view;
  require_rank(op, x.name, rotated, 3);
  require_float(op, x.name, rotated);
  require_row_contiguous(op, x.name, rotated);
  require_value(rotated.dim(2) % 2 == 0, op, "the head width must be even",
                static_cast<double>(rotated.dim(2)));
  check_tables(op, cos, sin);
  require_shape(op, "cos", cos, {cos.dim(0), rotated.dim(2) / 2});
  require_dtype(op, "cos", cos, accumulator(rotated.dtype()));
  require_shape(op, "positions", positions, {rotated.dim(0)});
  require_dtype(op, "positions", positions, DType::kI32);
  require_contiguous(op, "positions", positions);
  require_no_overlap(op, x, {"cos", cos});
  require_no_overlap(op, x, {"sin", sin});
  require_no_overlap(op, x, {"positions", positions});
}

}  // namespace

void rope_forward(Stream& stream, View x, ConstView cos, ConstView sin, ConstView positions) {
  check_rotation("rope_forward", stream, {"x", x}, cos, sin, positions);
  kernels(stream.device()).rope_forward(stream, x, cos, sin, positions);
}

void rope_backward(Stream& stream, View dx, ConstView cos, ConstView sin, ConstView positions) {
  check_rotation("rope_backward", stream, {"dx", dx}, cos, sin, positions);
  kernels(stream.device()).rope_backward(stream, dx, cos, sin, positions);
}

void rope_tables(Stream& stream, View cos, View sin, double theta) {
  constexpr const char* kOp = "rope_tables";
  require_on_device(kOp, stream, {{"cos", cos}, {"sin", sin}});
  check_tables(kOp, cos, sin);
  require_dtype(kOp, "cos", cos, {DType::kF32, DType::kF64});
  require_no_overlap(kOp, {"cos", cos}, {"sin", sin});
  require_value(theta > 0, kOp, "theta must be positive", theta);
  kernels(stream.device()).rope_tables(stream, cos, sin, theta);
}

}  // namespace lckv::ops
