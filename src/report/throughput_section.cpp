#include "lckv/report/sections.h"

namespace lckv::report {

Section throughput_section(const PageInputs& page) {
  Chart rate = empty_chart(page, "Tokens per second", "tokens per second");
  rate.y_from_zero = true;
  add_curves(rate, page, "tokens_per_s", "smoothed", Stroke::kSolid, Values::kSmoothed);
  add_curves(rate, page, "tokens_per_s", "raw", Stroke::kFaint);
  Chart share = empty_chart(page, "Utilisation", "FLOP/s over the measured matmul rate");
  share.y_from_zero = true;
  share.note =
      "Executed: what the plan computes. Useful: what a plain Llama of the same shape needs. "
      "Both smoothed.";
  add_curves(share, page, "executed_frac", "executed", Stroke::kSolid, Values::kSmoothed);
  add_curves(share, page, "useful_frac", "useful", Stroke::kDashed, Values::kSmoothed);
  return charts_section(page, "Throughput", {rate, share},
                        "no run has \"tokens_per_s\" in its metrics.jsonl");
}

}  // namespace lckv::report
