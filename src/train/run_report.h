#pragma once

#include <optional>

#include "lckv/base/clock.h"
#include "lckv/eval/perplexity.h"
#include "lckv/train/metrics.h"
#include "lckv/train/progress.h"
#include "lckv/train/run_state.h"

namespace lckv::train {

/// What a run is measured against, known when it starts.
struct RunRates {
  double gemm_flops_per_s = 0;  // of all ranks together: the peak that utilisations refer to
  double executed_flops_per_token = 0, useful_flops_per_token = 0;
  double tokens_per_step = 0;  // of the global batch
};

/// Progress line, metrics.jsonl and log of a run; rank 0 alone speaks.
class RunReport {
 public:
  RunReport(const config::RunConfig& config, const RunRates& rates, int64_t first_step,
            bool speaks);

  void step(const RunPosition& position, const StepResult& step, double step_s);
  void validated(const RunPosition& position, const eval::PerplexityResult& scored);
  /// Warns of a skipped update; throws AgreedError (kDiverged) after too many in a row.
  void skipped(const RunPosition& position, const StepResult& step);
  void saved(const RunPosition& position);
  /// Ends the progress line, so that other output begins on a new one.
  void finish_line() { progress_.finish(); }

 private:
  bool due(int64_t step, int64_t every_steps) const;

  const config::RunConfig& config_;
  RunRates rates_;
  int64_t first_step_;
  bool speaks_;
  ProgressLine progress_;
  std::optional<MetricsWriter> metrics_;
  Stopwatch since_start_;
};

}  // namespace lckv::train
