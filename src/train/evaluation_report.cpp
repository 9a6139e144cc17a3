#include "lckv/train/evaluation_report.h"

#include <algorithm>
#include <cmath>
#include <limits>

#include "lckv/base/text.h"

namespace lckv::train {

namespace {

constexpr double kLeastChange = 1e-10;  // a histogram has no place for the logarithm of 0
constexpr double kNone = std::numeric_limits<double>::quiet_NaN();

/// That of the metric; NaN where there is none.
eval::Estimate estimate_of(const eval::TaskResult& result, eval::Metric metric) {
  const auto found =
      std::find_if(result.metrics.begin(), result.metrics.end(),
                   [&](const eval::MetricResult& one) { return one.metric == metric; });
  return found == result.metrics.end() ? eval::Estimate{kNone, std::nullopt} : found->estimate;
}

std::string pass_name(const char* prefix, size_t index) {
  return format("{}/pass_{}", prefix, index + 2);
}

void add_kv(const eval::KvConvergence& kv, MetricsRow& row) {
  for (size_t i = 0; i < kv.changes.size(); ++i) {
    row.emplace_back(pass_name("kv_convergence", i), kv.changes[i]);
  }
  if (kv.exact_distance) row.emplace_back("kv_convergence/exact_distance", *kv.exact_distance);
}

/// What the last pass of training, or of the forwards if they ended sooner, still changed.
std::string to_text(const eval::KvConvergence& kv) {
  if (kv.changes.empty()) return "";
  const size_t index = std::min(kv.changes.size() - 1,
                                static_cast<size_t>(std::max<int64_t>(kv.trained_passes - 2, 0)));
  const std::string text =
      format(", K,V changed by {:.1e} in pass {}", kv.changes[index], index + 2);
  return kv.exact_distance ? text + format(", {:.1e} from exact", *kv.exact_distance) : text;
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
  if (validation.kv) add_kv(*validation.kv, row);
  return row;
}

std::vector<Histogram> kv_histograms(const Validation& validation) {
  std::vector<Histogram> histograms;
  if (!validation.kv) return histograms;
  for (const std::vector<float>& changes : validation.kv->token_changes) {
    Histogram histogram{pass_name("kv_convergence/rows", histograms.size()), {}};
    for (const float change : changes) {
      histogram.values.push_back(std::log10(std::max<double>(change, kLeastChange)));
    }
    histograms.push_back(std::move(histogram));
  }
  return histograms;
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
  const std::string whole = format("perplexity {:.3f} over {} tokens ({:.1f} s){}", own.perplexity,
                                   with_thousands(own.scored_tokens), elapsed_s,
                                   validation.kv ? to_text(*validation.kv) : "");
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
