#include "lckv/kernels/ops/adamw.h"

#include "lckv/kernels/ops/check.h"
#include "lckv/kernels/table.h"

namespace lckv::ops {
namespace {

constexpr const char* kOp = "adamw_update";

void check_step(const AdamWStep& step) {
  require_value(step.step >= 1, kOp, "step counts from 1", static_cast<double>(step.step));
  require_value(step.beta1 >= 0 && step.beta1 < 1, kOp, "beta1 must lie in [0, 1)", step.beta1);
  require_value(step.beta2 >= 0 && step.beta2 < 1, kOp, "beta2 must lie in [0, 1)", step.beta2);
  require_value(step.eps > 0, kOp, "eps must be positive", step.eps);
}

void check_no_overlap(const ConstView& w, const ConstView& master, const ConstView& m,
                      const ConstView& v, const ConstView& g, const ConstView& grad_scale) {
  if (w.dtype() == DType::kBF16) {
    require_no_overlap(kOp, {"w", w}, {"master", master});
  } else if (w.raw() != master.raw()) {
    throw ShapeError("adamw_update: w and master must be the same memory unless w is bf16");
  }
  const NamedView states[] = {{"master", master}, {"m", m}, {"v", v}, {"w", w}};
  for (const NamedView& state : states) {
    require_no_overlap(kOp, state, {"g", g});
    require_no_overlap(kOp, state, {"grad_scale", grad_scale});
  }
  require_no_overlap(kOp, {"master", master}, {"m", m});
  require_no_overlap(kOp, {"master", master}, {"v", v});
  require_no_overlap(kOp, {"w", w}, {"m", m});
  require_no_overlap(kOp, {"w", w}, {"v", v});
  require_no_overlap(kOp, {"m", m}, {"v", v});
}

}  // namespace

void adamw_update(Stream& stream, View w, View master, View m, View v, ConstView g,
                  ConstView grad_scale, const AdamWStep& step) {
  require_on_device(
      kOp, stream,
      {{"w", w}, {"master", master}, {"m", m}, {"v", v}, {"g", g}, {"grad_scale", grad_scale}});
  require_rank(kOp, "w", w, 1);
  require_float(kOp, "w", w);
  require_contiguous(kOp, "w", w);
  for (const NamedView& state :
       {NamedView{"master", master}, NamedView{"m", m}, NamedView{"v", v}, NamedView{"g", g}}) {
    require_shape(kOp, state.name, state.view, w.shape());
    require_dtype(kOp, state.name, state.view, accumulator(w.dtype()));
    require_contiguous(kOp, state.name, state.view);
  }
  require_shape(kOp, "grad_scale", grad_scale, {1});
  require_dtype(kOp, "grad_scale", grad_scale, master.dtype());
  check_no_overlap(w, master, m, v, g, grad_scale);
  check_step(step);
  kernels(stream.device()).adamw_update(stream, w, master, m, v, g, grad_scale, step);
}

}  // namespace lckv::ops
