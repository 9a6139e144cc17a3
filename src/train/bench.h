#pragma once

#include <string>
#include <vector>

#include "lckv/config/run.h"
#include "lckv/kernels/profile.h"

namespace lckv::train {

struct BenchSettings {
  int64_t steps = 5;         // timed
  int64_t warmup_steps = 1;  // before
  double gemm_s = 5;         // spent on the matmul rate, half before and half after the steps
};

/// What `lckv bench train` measures.
struct BenchResult {
  std::string backend, precision, layer_types;
  int threads = 0;
  int64_t B = 0, T = 0, micro_batches = 0;
  std::vector<double> step_s;  // of every timed step
  double median_step_s = 0;
  double tokens_per_s = 0;  // of the median step
  double executed_flops_per_token = 0, useful_flops_per_token = 0;
  double executed_flops_per_s = 0;
  double gemm_flops_per_s = 0;                // at the model's own shapes, in the same run
  double executed_frac = 0, useful_frac = 0;  // over that rate
  ops::WorkTimes work;                        // of one profiled step
  double profiled_step_s = 0;
  int64_t planned_bytes = 0;   // tensors of the plan
  int64_t measured_bytes = 0;  // growth of resident memory from before allocation to its peak
};

/// Trains on random tokens of the config's shapes; its data files are not read.
BenchResult bench_training(const config::RunConfig& config, const BenchSettings& settings);

std::string to_text(const BenchResult& result);
std::string to_json(const BenchResult& result);

}  // namespace lckv::train
