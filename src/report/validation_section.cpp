#include <algorithm>

#include "lckv/report/sections.h"

namespace lckv::report {

Section validation_section(const PageInputs& page) {
  const char* const title = "Validation loss";
  Chart own = empty_chart(page, "All validated tokens", "loss, nats per token");
  own.note = "In the passes of training.";
  add_curves(own, page, "validation_loss", "own passes", Stroke::kDots);
  Chart exact = empty_chart(page, "Own and exact loss", own.y_label);
  exact.note =
      "Over the same tokens: own in the passes of training, exact at the fixed point, where "
      "further passes change nothing.";
  const bool has_exact = std::any_of(page.runs.begin(), page.runs.end(), [](const RunFiles& run) {
    return run.metrics.has("validation/exact_loss");
  });
  if (has_exact) {
    add_curves(exact, page, "validation/loss", "own passes", Stroke::kDashedDots);
    add_curves(exact, page, "validation/exact_loss", "exact", Stroke::kDots);
  }
  Section section = charts_section(page, title, {own, exact}, "no run has validated yet");
  if (!has_exact && !section.html.empty()) {
    section.html +=
        "<p class=\"note\">No exact loss: no run has \"validation/exact_loss\" in its "
        "metrics.jsonl.</p>";
  }
  return section;
}

}  // namespace lckv::report
