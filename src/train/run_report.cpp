#include "lckv/train/run_report.h"

#include "lckv/base/log.h"
#include "lckv/base/process.h"
#include "lckv/base/text.h"
#include "lckv/comm/agreement.h"
#include "lckv/train/evaluation_report.h"

namespace lckv::train {

namespace {

/// Whether weights, masters or moments are not finite. Gradients come anew with every step.
bool spoils_training(const NonFiniteReport& report) {
  int64_t tensors = 0;
  for (const NonFiniteKind kind : {NonFiniteKind::kWeight, NonFiniteKind::kMaster,
                                   NonFiniteKind::kFirstMoment, NonFiniteKind::kSecondMoment}) {
    tensors += report.tensors[static_cast<size_t>(kind)];
  }
  return tensors > 0;
}

StatusPage::Best page_best(const ValidationMark& best) {
  return {best.step, best.loss, best.is_exact};
}

}  // namespace

RunReport::RunReport(const config::RunConfig& config, const RunRates& rates,
                     const RunPosition& start, bool speaks, RunStatus& status)
    : config_(config),
      rates_(rates),
      first_step_(start.step),
      speaks_(speaks),
      status_(status),
      progress_(stderr_is_watched()),
      saved_step_(start.step > 0 ? start.step : -1) {
  if (speaks) {
    metrics_.emplace(config.output + "/metrics.jsonl", start, config.train.log_every_steps);
  }
  status_.update([&](StatusPage& page) {
    page.step = start.step;
    page.tokens = start.sequences * config.data.sequence_tokens;
    if (start.best) page.best = page_best(*start.best);
  });
}

bool RunReport::due(int64_t step, int64_t every_steps) const {
  return step % every_steps == 0 || step == config_.train.steps;
}

void RunReport::warn(const std::string& message) {
  if (!speaks_) return;
  finish_line();
  log_warning(message);
  status_.add_message(message);
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
  const int64_t tokens = position.sequences * config_.data.sequence_tokens;
  status_.update([&](StatusPage& page) {
    page.step = point.step;
    page.loss = point.loss;
    page.grad_norm = point.grad_norm;
    page.lr = point.lr;
    page.tokens = tokens;
    page.tokens_per_s = point.tokens_per_s;
    page.eta_s = point.remaining_s;
    page.health.skipped_updates = position.skipped;
  });
  if (!due(point.step, config_.train.log_every_steps)) return;
  metrics_->write({{"step", static_cast<double>(point.step)},
                   {"loss", point.loss},
                   {"lr", point.lr},
                   {"grad_norm", point.grad_norm},
                   {"updated", step.updated ? 1.0 : 0.0},
                   {"tokens", static_cast<double>(tokens)},
                   {"tokens_per_s", point.tokens_per_s},
                   {"executed_frac", point.executed_frac},
                   {"useful_frac", point.useful_frac},
                   {"step_s", step_s}});
}

void RunReport::validated(const RunPosition& position, const Validation& validation) {
  if (!speaks_) return;
  metrics_->write(validation_row(position.step, validation));
  finish_line();
  log_info(format("step {}: {}", position.step, to_text(validation)));
  status_.update([&](StatusPage& page) {
    page.last_validation = {position.step, std::chrono::system_clock::now(),
                            validation.own.mean_nll,
                            validation.exact ? validation.exact->loss : StatusPage::kUnknown};
    if (position.best) page.best = page_best(*position.best);
  });
}

void RunReport::evaluated(const RunPosition& position, const std::vector<TaskScores>& scores) {
  if (!speaks_) return;
  metrics_->write(evaluation_row(position.step, scores));
  finish_line();
  for (const TaskScores& task : scores) {
    if (!task.error.empty()) warn(format("step {}: {}", position.step, task.error));
    log_info(format("step {}: {}", position.step, to_text(task)));
  }
}

void RunReport::spike(const RunPosition& position, const Spike& spike, bool applied) {
  warn(to_text(position.step, spike, applied));
  status_.update([](StatusPage& page) { ++page.health.spikes; });
}

void RunReport::not_finite(const RunPosition& position, const StepResult& step) {
  warn(format("{}; update left out ({} in a row)", to_text(position.step, step.not_finite),
              position.nonfinite_in_row));
  const bool is_lost = spoils_training(step.not_finite);
  if (!is_lost && position.nonfinite_in_row < config_.guards.max_nonfinite_steps) return;
  const std::string why =
      is_lost ? "what is trained is itself not finite, and no step mends that"
              : format("not finite in {} steps in a row", position.nonfinite_in_row);
  const std::string saved = saved_step_ < 0 ? "no state was saved"
                                            : format("the newest state is of step {}", saved_step_);
  throw comm::AgreedError(format("{}: {}; {} (in {})", to_text(position.step, step.not_finite), why,
                                 saved, config_.output),
                          ExitCode::kDiverged);
}

void RunReport::sync() {
  if (speaks_) metrics_->sync();
}

void RunReport::save_started(const RunPosition& position, const SaveCost& cost) {
  if (!speaks_) return;
  if (cost.skipped) {
    warn(format("step {}: not saved, the save before is still being written", position.step));
    return;
  }
  lost_s_[position.step] = cost.lost_s();
  metrics_->write({{"step", static_cast<double>(position.step)},
                   {"save_lost_s", cost.lost_s()},
                   {"save_waited_s", cost.waited_s},
                   {"save_copied_s", cost.copied_s}});
}

void RunReport::save_done(const checkpoint::SaveDone& done) {
  saved_step_ = done.step;
  if (!speaks_) return;
  finish_line();
  const double lost_s = lost_s_[done.step];
  lost_s_.erase(done.step);
  log_info(format("saved state of step {} in {}: written in {:.2f} s, training waited {:.3f} s",
                  done.step, config_.output, done.written_s, lost_s));
  status_.update([&](StatusPage& page) {
    page.last_save = {done.step, std::chrono::system_clock::now(), lost_s, done.written_s};
  });
}

}  // namespace lckv::train
