#include "lckv/kernels/ops/swiglu.h"

#include "lckv/kernels/ops/check.h"
#include "lckv/kernels/table.h"

namespace lckv::ops {
namespace {

void check_widths(const char* op, NamedView act, NamedView gate_up) {
  require_rank(op, act.name, act.view, 2);
  require_float(op, act.name, act.view);
  require_contiguous(op, act.name, act.view);
  require_shape(op, gate_up.name, gate_up.view, {act.view.dim(0), 2 * act.view.dim(1)});
  require_dtype(op, gate_up.name, gate_up.view, act.view.dtype());
  require_contiguous(op, gate_up.name, gate_up.view);
}

}  // namespace

void swiglu_forward(Stream& stream, View act, ConstView gate_up) {
  constexpr const char* kOp = "swiglu_forward";
  require_on_device(kOp, stream, {{"act", act}, {"gate_up", gate_up}});
  check_widths(kOp, {"act", act}, {"gate_up", gate_up});
  require_no_overlap(kOp, {"act", act}, {"gate_up", gate_up});
  kernels(stream.device()).swiglu_forward(stream, act, gate_up);
}

void swiglu_backward(Stream& stream, View dgate_up, ConstView dact, ConstView gate_up) {
  constexpr const char* kOp = "swiglu_backward";
  require_on_device(kOp, stream, {{"dgate_up", dgate_up}, {"dact", dact}, {"gate_up", gate_up}});
  check_widths(kOp, {"dact", dact}, {"gate_up", gate_up});
  check_widths(kOp, {"dact", dact}, {"dgate_up", dgate_up});
  require_no_overlap(kOp, {"dgate_up", dgate_up}, {"dact", dact});
  require_same_or_no_overlap(kOp, {"dgate_up", dgate_up}, {"gate_up", gate_up});
  kernels(stream.device()).swiglu_backward(stream, dgate_up, dact, gate_up);
}

}  // namespace lckv::ops
