#include "lckv/train/evaluation_report.h"

#include <algorithm>
#include <limits>

#include "lckv/base/text.h"

namespace lckv::train {

namespace {

constexpr double kNone = std::numeric_limits<double>::quiet_NaN();

/// That of the metric; NaN where there is none.
eval::Estimate estimate_of(const eval::TaskResult& result, eval::Metric metric) {
  const auto found =
      std::find_if(result.metrics.begin(), result.metrics.end(),
                   [&](const eval::MetricResult& one) { return one.metric == metric; });
  return found == result.metrics.end() ? eval::Estimate{kNone, std::nullopt} : found->estimate;
}

}  // namespace

MetricsRow validation_row(int64_t step, const Validation& validation) {
  const eval::PerplexityResult& own = validation.own;
  MetricsRow row = {{"step", static_cast<double>(step)},
                    {"validation_loss", own.mean_nll},
                    {"validation_perplexity", own.perplexity},
                    {"validation_tokens", static_cast<double>(own.scored_tokens)}};
  if (!validation.exact) {
    row.emplace_back("validation/loss", own.mean_nll);
    return row;
  }
  const ExactLoss& exact = *validation.exact;
  row.insert(row.end(), {{"validation/loss", exact.own_loss},
                         {"validation/exact_loss", exact.loss},
                         {"validation/exact_gap", exact.gap()},
                         {"validation/exact_passes", static_cast<double>(exact.passes)},
                         {"validation/exact_tokens", static_cast<double>(exact.tokens)}});
  return row;
}

MetricsRow evaluation_row(int64_t step, const std::vector<TaskScores>& scores) {
  MetricsRow row = {{"step", static_cast<double>(step)}};
  for (const TaskScores& task : scores) {
    for (const eval::Metric metric : task.result.task->metrics) {
      const eval::Estimate estimate = estimate_of(task.result, metric);
      const std::string key = format("eval/{}/{}", task.name, name(metric));
      row.emplace_back(key, estimate.value);
      row.emplace_back(key + "_stderr", estimate.std_error.value_or(kNone));
    }
  }
  return row;
}

std::string to_text(const Validation& validation) {
  const eval::PerplexityResult& own = validation.own;
  const double elapsed_s = own.elapsed_s + (validation.exact ? validation.exact->elapsed_s : 0);
  const std::string whole = format("perplexity {:.3f} over {} tokens ({:.1f} s)", own.perplexity,
                                   with_thousands(own.scored_tokens), elapsed_s);
  if (!validation.exact) return format("validation {:.4f}, {}", own.mean_nll, whole);
  const ExactLoss& exact = *validation.exact;
  const std::string both = format("validation {:.4f} (exact {:.4f}, {} {})", exact.own_loss,
                                  exact.loss, exact.passes, exact.passes == 1 ? "pass" : "passes");
  if (exact.tokens == own.scored_tokens) return format("{}, {}", both, whole);
  return format("{} over {} tokens; {:.4f}, {}", both, with_thousands(exact.tokens), own.mean_nll,
                whole);
}

std::string to_text(const TaskScores& scores) {
  if (!scores.error.empty()) return format("{}: no scores", scores.name);
  std::string text = scores.name + ":";
  for (const eval::MetricResult& metric : scores.result.metrics) {
    const auto& error = metric.estimate.std_error;
    text += format("{} {} {:.4f}{}", text.ends_with(':') ? "" : ",", name(metric.metric),
                   metric.estimate.value, error ? format(" +- {:.4f}", *error) : "");
  }
  return text + format(" over {} documents ({:.1f} s)", scores.result.scored, scores.elapsed_s);
}

}  // namespace lckv::train
