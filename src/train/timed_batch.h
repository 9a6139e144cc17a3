#pragma once

#include <cstdint>
#include <optional>
#include <vector>

#include "lckv/infer/decode_traffic.h"
#include "lckv/train/bench_generate.h"

namespace lckv::train {

/// A batch of random tokens in memory of its own, run again and again.
class TimedBatch {
 public:
  /// `weights` outlive it.
  TimedBatch(const config::ModelConfig& config, const infer::StaticBatch::Options& options,
             const model::ParameterSet& weights, Device device, uint64_t seed);

  /// Context (untimed), prompt, then so many decoding steps; every time ends when the device is
  /// done. With a prompt and more to come tokens are chosen greedily, else they are random.
  GenerateSample run(int64_t steps);

  /// Of a decoding step, mean of the first `steps`.
  infer::DecodeTraffic traffic(int64_t steps);

  const infer::StaticBatch& batch() const { return *batch_; }
  /// What kernels keep beside the plan.
  int64_t scratch_bytes() const;

 private:
  void start();
  void encode_prompt();
  void decode(int64_t step);

  const model::ParameterSet& weights_;
  const infer::StaticBatch::Options options_;
  const infer::StaticBatch::Choice choice_;
  Stream stream_;
  std::optional<Arena> arena_;
  std::optional<infer::StaticBatch> batch_;
  bool has_begun_ = false;
  std::vector<int32_t> context_, prompt_, next_, chosen_;
};

}  // namespace lckv::train
