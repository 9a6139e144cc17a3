#include "lckv/train/run_report.h"

#include "lckv/base/log.h"
#include "lckv/base/process.h"
#include "lckv/base/text.h"
#include "lckv/comm/agreement.h"

namespace lckv::train {

RunReport::RunReport(const config::RunConfig& config, const RunRates& rates, int64_t first_step,
                     bool speaks)
    : config_(config),
      rates_(rates),
      first_step_(first_step),
      speaks_(speaks),
      progress_(stderr_is_watched()) {
  if (speaks) metrics_.emplace(config.output + "/metrics.jsonl", static_cast<long>(first_step));
}

bool RunReport::due(int64_t step, int64_t every_steps) const {
  return step % every_steps == 0 || step == config_.train.steps;
}

void RunReport::step(const RunPosition& position, const StepResult& step, double step_s) {
  if (!speaks_) return;
  ProgressPoint point;
  point.step = position.step;
  point.steps = config_.train.steps;
  point.loss = step.loss;
  point.lr = step.lr;
  point.grad_norm = step.grad_norm;
  point.tokens_per_s = rates_.tokens_per_step / step_s;
  const double flops_to_frac = point.tokens_per_s / rates_.gemm_flops_per_s;
  point.executed_frac = flops_to_frac * rates_.executed_flops_per_token;
  point.useful_frac = flops_to_frac * rates_.useful_flops_per_token;
  point.remaining_s = since_start_.elapsed_s() / static_cast<double>(point.step - first_step_) *
                      static_cast<double>(point.steps - point.step);
  progress_.show(point);
  if (!due(point.step, config_.train.log_every_steps)) return;
  const auto tokens = static_cast<double>(position.sequences * config_.data.sequence_tokens);
  metrics_->write({{"step", static_cast<double>(point.step)},
                   {"loss", point.loss},
                   {"lr", point.lr},
                   {"grad_norm", point.grad_norm},
                   {"updated", step.updated ? 1.0 : 0.0},
                   {"tokens", tokens},
                   {"tokens_per_s", point.tokens_per_s},
                   {"executed_frac", point.executed_frac},
                   {"useful_frac", point.useful_frac},
                   {"step_s", step_s}});
}

void RunReport::validated(const RunPosition& position, const eval::PerplexityResult& scored) {
  if (!speaks_) return;
  metrics_->write({{"step", static_cast<double>(position.step)},
                   {"validation_loss", scored.mean_nll},
                   {"validation_perplexity", scored.perplexity},
                   {"validation_tokens", static_cast<double>(scored.scored_tokens)}});
  finish_line();
  log_info(format("step {}: validation loss {:.4f}, perplexity {:.3f} over {} tokens ({:.1f} s)",
                  position.step, scored.mean_nll, scored.perplexity,
                  with_thousands(scored.scored_tokens), scored.elapsed_s));
}

void RunReport::skipped(const RunPosition& position, const StepResult& step) {
  if (speaks_) {
    finish_line();
    log_warning(
        format("step {}: loss {}, gradient norm {}: not finite, update skipped ({} in a row)",
               position.step, step.loss, step.grad_norm, position.skipped_in_row));
  }
  if (position.skipped_in_row < config_.guards.max_nonfinite_steps) return;
  throw comm::AgreedError(
      format("step {}: loss or gradient was not finite in {} steps in a row; what was saved before "
             "is in {}",
             position.step, position.skipped_in_row, config_.output),
      ExitCode::kDiverged);
}

void RunReport::saved(const RunPosition& position) {
  log_info(format("saved state of step {} in {}", position.step, config_.output));
}

}  // namespace lckv::train
