#include "lckv/report/sections.h"

namespace lckv::report {

Section optimizer_section(const PageInputs& page) {
  Chart norm = empty_chart(page, "Norm of the gradient", "norm, before clipping");
  norm.y_scale = ScaleKind::kLog;
  add_curves(norm, page, "grad_norm", "smoothed", Stroke::kSolid, Values::kSmoothed);
  add_curves(norm, page, "grad_norm", "raw", Stroke::kFaint);
  Chart rate = empty_chart(page, "Learning rate", "learning rate");
  rate.y_from_zero = true;
  add_curves(rate, page, "lr", "value", Stroke::kSolid);
  return charts_section(page, "Optimizer", {norm, rate},
                        "no run has \"grad_norm\" or \"lr\" in its metrics.jsonl");
}

}  // namespace lckv::report
