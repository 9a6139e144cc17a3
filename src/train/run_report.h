#pragma once

#include <atomic>
#include <exception>
#include <map>
#include <optional>

#include "lckv/base/clock.h"
#include "lckv/checkpoint/background_saver.h"
#include "lckv/train/event_file.h"
#include "lckv/train/metrics.h"
#include "lckv/train/progress.h"
#include "lckv/train/run_evaluation.h"
#include "lckv/train/run_events.h"
#include "lckv/train/run_position.h"
#include "lckv/train/run_record.h"
#include "lckv/train/run_saver.h"
#include "lckv/train/run_status.h"
#include "lckv/train/spike_detector.h"
#include "lckv/train/trainer.h"

namespace lckv::train {

/// What a run is measured against, known when it starts.
struct RunRates {
  double gemm_flops_per_s = 0;  // of all ranks together: the peak that utilisations refer to
  double executed_flops_per_token = 0, useful_flops_per_token = 0;
  double tokens_per_step = 0;  // of the global batch
};

/// Progress line, log, and what a run that trains leaves in its folder for those who look at it
/// (METRICS.md): metrics.jsonl, event files, events.jsonl, status.json. Rank 0 alone speaks;
/// elsewhere every call does nothing. Files that cannot be written throw IoError.
class RunReport {
 public:
  RunReport(const config::RunConfig& config, const RunRates& rates, const RunPosition& start,
            bool speaks, RunStatus& status);

  /// The run goes on from `now`; what it is, and its memory as planned.
  void begin(const RunRecord& now, const MetricsRow& planned_memory);
  /// A row of metrics.jsonl, which is a point of each of its curves.
  void write(const MetricsRow& row);
  void step(const RunPosition& position, const StepResult& step, double step_s);
  void validated(const RunPosition& position, const Validation& validation);
  /// `scores` on the tasks.
  void evaluated(const RunPosition& position, const std::vector<TaskScores>& scores);
  /// A warning on stderr, in status.json and events.jsonl.
  void warn(const std::string& message);
  void spike(const RunPosition& position, const Spike& spike, bool applied);
  /// Warns of an update that was left out because something was not finite; throws AgreedError
  /// (kDiverged) after too many in a row, or when it is the weights or the optimizer's tensors.
  void not_finite(const RunPosition& position, const StepResult& step);
  /// What was told so far survives a power cut: a saved state must not be newer than the metrics.
  void sync();
  void save_started(const RunPosition& position, const SaveCost& cost);
  void save_done(const checkpoint::SaveDone& done);
  void save_failed(const std::string& message);
  /// This process of the run has ended: kFinished, or kStopped with the reason.
  void ended(RunEventKind how, const std::string& message);
  /// The same for an exception that ends it, or a stall (from any thread). Throws nothing.
  void failed(const std::exception& error);
  void stalled(const std::string& message);
  /// Ends the progress line, so that other output begins on a new one.
  void finish_line() { progress_.finish(); }

 private:
  void open_files(const RunPosition& start);
  bool due(int64_t step, int64_t every_steps) const;
  void add_event(RunEventKind kind, const std::string& message);
  void warn(RunEventKind kind, const std::string& message);
  void end_by_failure(RunEventKind kind, const std::string& message);

  const config::RunConfig& config_;
  RunRates rates_;
  int64_t first_step_;
  bool speaks_;
  RunStatus& status_;
  ProgressLine progress_;
  // where it speaks
  std::optional<MetricsWriter> metrics_;
  std::optional<RunEvents> events_;
  std::optional<EventFile> tensorboard_;  // where `watch:` asks for it
  std::atomic<int64_t> step_;             // done
  int64_t saved_step_;  // newest state that stands, as far as this process knows; -1: none
  Stopwatch since_start_;
  std::map<int64_t, double> lost_s_;  // by saves that do not stand yet, by step
};

}  // namespace lckv::train
