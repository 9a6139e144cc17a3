#pragma once

#include <map>
#include <string>
#include <vector>

#include "lckv/comm/grid.h"
#include "lckv/comm/world.h"
#include "lckv/config/run.h"
#include "lckv/kernels/profile.h"
#include "lckv/train/chrome_trace.h"

namespace lckv::train {

struct BenchSettings {
  int64_t steps = 5;         // timed
  int64_t warmup_steps = 1;  // before
  double gemm_s = 5;         // spent on the matmul rate, half before and half after the steps
  bool keep_timelines = false;
};

/// Seconds that one rank spent on communication in one step.
struct CommTimes {
  double blocking_s = 0;  // the main lane ran collectives itself
  double waited_s = 0;    // the main lane waited for started ones to finish
  double started_s = 0;   // started ones ran, in lanes of their own
  double hidden_s = 0;    // of that: while the main lane did not wait for that lane
  double awaited_s = 0;   // of that: while it did

  /// What the step would be shorter by without communication, memory and cores being shared aside.
  double exposed_s() const { return blocking_s + waited_s; }
  CommTimes& operator+=(const CommTimes& other);
};

/// A rank's communication under one label.
struct LabelComm {
  std::string collective;  // "all_reduce", ...
  int64_t calls = 0;
  int64_t sent_bytes = 0;
  CommTimes times;
};
using StepComm = std::map<std::string, LabelComm>;  // by label

CommTimes total(const StepComm& comm);

/// What a step's spans say about its collectives, beside what was counted of them. Pure.
StepComm measure_comm(const std::vector<TimelineSpan>& spans,
                      const std::map<std::string, comm::Traffic>& traffic);

/// One rank's own.
struct RankBench {
  int rank = 0;
  std::string host;
  int64_t planned_bytes = 0;   // tensors of the plan
  int64_t measured_bytes = 0;  // growth of resident memory from before allocation to its peak
  int64_t scratch_bytes = 0;   // of that: kept by kernels, which the plan does not know
  double step_s = 0;           // of the profiled step
  StepComm comm;               // in it
};

/// What `lckv bench train` measures. Equal on all ranks but for `work` and `timelines`.
struct BenchResult {
  std::string backend, precision, layer_types;
  comm::Grid grid;
  int threads = 0;                          // of a rank
  int64_t B = 0, T = 0, micro_batches = 0;  // of one copy of the model
  std::vector<double> step_s;               // of every timed step: its slowest rank's
  double median_step_s = 0;
  double tokens_per_s = 0;  // all ranks', in the median step
  double executed_flops_per_token = 0, useful_flops_per_token = 0;
  double executed_flops_per_s = 0;
  double gemm_flops_per_s = 0;  // at the model's own shapes, in the same run, all ranks at once
  double executed_frac = 0, useful_frac = 0;  // over that rate
  double profiled_step_s = 0;                 // one more step, with every op timed
  ops::WorkTimes work;                        // of this rank in it
  std::vector<RankBench> ranks;
  std::vector<RankTimeline> timelines;  // of that step, on rank 0, if they were to be kept

  const RankBench& own() const { return ranks[static_cast<size_t>(grid.rank)]; }
};

/// Trains on random tokens of the config's shapes; its data files are not read. Collective over the
/// world.
BenchResult bench_training(comm::World& world, const config::RunConfig& config,
                           const BenchSettings& settings);

std::string to_text(const BenchResult& result);
std::string to_json(const BenchResult& result);

}  // namespace lckv::train
