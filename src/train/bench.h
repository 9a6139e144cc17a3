#pragma once

#include <string>
#include <vector>

#include "lckv/comm/world.h"
#include "lckv/config/run.h"
#include "lckv/kernels/profile.h"
#include "lckv/train/bench_run.h"
#include "lckv/train/chrome_trace.h"
#include "lckv/train/step_comm.h"

namespace lckv::train {

struct BenchSettings {
  int64_t steps = 5;         // timed
  int64_t warmup_steps = 1;  // before
  double gemm_s = 5;         // spent on the matmul rate, half before and half after the steps
  bool keep_timelines = false;
};

/// One rank's own.
struct RankBench {
  int rank = 0;
  std::string host;
  int64_t planned_bytes = 0;          // tensors, and on a GPU scratch
  int64_t planned_scratch_bytes = 0;  // of that: of kernels and groups over NCCL
  // growth of memory in use, on the CPU to the peak of what is resident, from before the groups of
  // ranks were made
  int64_t measured_bytes = 0;
  int64_t scratch_bytes = 0;  // of that: kept by kernels, which on the CPU no plan knows
  double step_s = 0;          // of the profiled step
  StepComm comm;              // in it
};

/// What `lckv bench train` measures. Equal on all ranks but for `work` and `timelines`.
struct BenchResult : BenchSubject {
  std::vector<double> step_s;  // of every timed step: its slowest rank's
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

/// Collective: every rank's, by rank, on all of them.
std::vector<RankBench> gather_ranks(comm::Communicator& all, const RankBench& own);

}  // namespace lckv::train
