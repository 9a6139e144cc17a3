#include "lckv/train/run_report.h"

#include <filesystem>
#include <span>

#include "lckv/base/log.h"
#include "lckv/base/process.h"
#include "lckv/base/text.h"
#include "lckv/base/version.h"
#include "lckv/comm/agreement.h"
#include "lckv/config/load.h"
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
      step_(start.step),
      saved_step_(start.step > 0 ? start.step : -1) {
  if (speaks) open_files(start);
  status_.update([&](StatusPage& page) {
    page.step = start.step;
    page.tokens = start.sequences * config.data.sequence_tokens;
    if (start.best) page.best = page_best(*start.best);
  });
}

void RunReport::open_files(const RunPosition& start) {
  const std::filesystem::path folder = config_.output;
  metrics_.emplace((folder / "metrics.jsonl").string(), start, config_.train.log_every_steps);
  events_.emplace((folder / "events.jsonl").string());
  // What an earlier process told of the step that is continued from stands, unless that is nothing.
  const int64_t purge_from_step = start.step == 0 ? 0 : start.step + 1;
  if (config_.watch.tensorboard) tensorboard_.emplace(folder / "tensorboard", purge_from_step);
}

void RunReport::begin(const RunRecord& now, const MetricsRow& planned_memory) {
  if (!speaks_) return;
  const bool is_resumed = now.position.step > 0;
  add_event(
      is_resumed ? RunEventKind::kResumed : RunEventKind::kStarted,
      format("{}{} steps; {}, {} threads on {}, {}; lckv {}",
             is_resumed ? format("after step {} of ", now.position.step) : "", config_.train.steps,
             now.grid, now.threads, now.backend, now.precision, program_version()));
  if (tensorboard_) {
    tensorboard_->text(now.position.step, "config",
                       format("```yaml\n{}```\n", config::to_yaml(config_)));
  }
  write(planned_memory);
}

void RunReport::write(const MetricsRow& row) {
  if (!speaks_) return;
  metrics_->write(row);
  if (!tensorboard_) return;
  const auto step = static_cast<int64_t>(row.front().second);
  tensorboard_->scalars(step, std::span(row).subspan(1));
}

bool RunReport::due(int64_t step, int64_t every_steps) const {
  return step % every_steps == 0 || step == config_.train.steps;
}

void RunReport::add_event(RunEventKind kind, const std::string& message) {
  if (speaks_) events_->add(step_, kind, message);
}

void RunReport::warn(const std::string& message) { warn(RunEventKind::kWarning, message); }

void RunReport::warn(RunEventKind kind, const std::string& message) {
  if (!speaks_) return;
  finish_line();
  log_warning(message);
  status_.add_message(message);
  add_event(kind, message);
}

void RunReport::step(const RunPosition& position, const StepResult& step, double step_s) {
  if (!speaks_) return;
  step_ = position.step;
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
  write({{"step", static_cast<double>(point.step)},
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
  write(validation_row(position.step, validation));
  if (tensorboard_) {
    for (const Histogram& one : kv_histograms(validation)) {
      tensorboard_->histogram(position.step, one.tag, one.values);
    }
  }
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
  write(evaluation_row(position.step, scores));
  finish_line();
  for (const TaskScores& task : scores) {
    if (!task.error.empty()) warn(format("step {}: {}", position.step, task.error));
    log_info(format("step {}: {}", position.step, to_text(task)));
  }
}

void RunReport::spike(const RunPosition& position, const Spike& spike, bool applied) {
  warn(RunEventKind::kSpike, to_text(position.step, spike, applied));
  status_.update([](StatusPage& page) { ++page.health.spikes; });
}

void RunReport::not_finite(const RunPosition& position, const StepResult& step) {
  warn(RunEventKind::kSkipped,
       format("{}; update left out ({} in a row)", to_text(position.step, step.not_finite),
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
  if (!speaks_) return;
  metrics_->sync();
  events_->sync();
  if (tensorboard_) tensorboard_->sync();
}

void RunReport::save_started(const RunPosition& position, const SaveCost& cost) {
  if (!speaks_) return;
  if (cost.skipped) {
    warn(format("step {}: not saved, the save before is still being written", position.step));
    return;
  }
  lost_s_[position.step] = cost.lost_s();
  write({{"step", static_cast<double>(position.step)},
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
  const std::string cost =
      format("written in {:.2f} s, training waited {:.3f} s", done.written_s, lost_s);
  log_info(format("saved state of step {} in {}: {}", done.step, config_.output, cost));
  events_->add(done.step, RunEventKind::kSaved, cost);
  status_.update([&](StatusPage& page) {
    page.last_save = {done.step, std::chrono::system_clock::now(), lost_s, done.written_s};
  });
}

void RunReport::save_failed(const std::string& message) {
  end_by_failure(RunEventKind::kSaveFailed, message);
}

void RunReport::ended(RunEventKind how, const std::string& message) { add_event(how, message); }

void RunReport::failed(const std::exception& error) {
  const auto* known = dynamic_cast<const Error*>(&error);
  const bool diverged = known != nullptr && known->exit_code() == ExitCode::kDiverged;
  end_by_failure(diverged ? RunEventKind::kDiverged : RunEventKind::kFailed, error.what());
}

void RunReport::stalled(const std::string& message) {
  end_by_failure(RunEventKind::kFailed, message);
}

/// A second failure, as of a full disk, must not hide the first.
void RunReport::end_by_failure(RunEventKind kind, const std::string& message) {
  try {
    add_event(kind, message);
  } catch (const std::exception& error) {
    log_warning(error.what());
  }
}

}  // namespace lckv::train
