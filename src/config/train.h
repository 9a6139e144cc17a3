#pragma once

#include <cstdint>
#include <string>

namespace lckv::config {

enum class DeviceChoice { kAuto, kCpu, kCuda };
// own: ours; cudnn: its fused attention, where the shape allows, on a GPU
enum class Attention { kOwn, kCudnn };
enum class Precision { kAuto, kBf16, kFp32, kFp64 };
// cheap: norms and SwiGLU; block: everything but its input
enum class Recompute { kNone, kCheap, kBlock };
enum class Schedule { kConstant, kLinear, kCosine, kWsd };

/// YAML section `train:`.
struct TrainConfig {
  int64_t steps = 0;
  int64_t sequences_per_step = 8;  // global batch
  // B of one forward and backward; divides the sequences of one copy of the model; 0: all of them
  int64_t micro_batch_sequences = 0;
  uint64_t seed = 42;                         // of the initial weights
  DeviceChoice device = DeviceChoice::kAuto;  // auto: cuda where there is a GPU
  Precision precision = Precision::kAuto;
  Recompute recompute = Recompute::kNone;
  Attention attention = Attention::kOwn;
  // equal bits in equal runs; false lets cuDNN's attention sum gradients in any order
  bool deterministic = true;
  bool graphs = true;  // on a GPU: launch a micro-batch as one recorded graph
  // file of the fastest matmul algorithms found on a GPU, a number added for ranks above 0; "": in
  // the run's folder
  std::string matmul_algorithms;
  int64_t threads = 0;           // 0: the cores this process may use
  std::string init_from;         // Hugging Face folder to start from; "": random
  std::string init_kv = "copy";  // copy | average: W_K, W_V of a plain Llama (spec/lckv.md 9.3)
  int64_t log_every_steps = 1;
  double time_limit_s =
      0;  // since the program's start: then save and stop, to be continued; 0: none
};

/// YAML section `optimizer:` (AdamW; decay on matrices only).
struct OptimizerConfig {
  double lr = 3e-4;  // peak
  double beta1 = 0.9;
  double beta2 = 0.95;
  double eps = 1e-8;
  double weight_decay = 0.1;
  double clip_norm = 1.0;  // of the global gradient; 0: no clipping
};

/// YAML section `schedule:`: the learning rate over the steps.
struct ScheduleConfig {
  Schedule kind = Schedule::kCosine;
  int64_t warmup_steps = 0;
  double warmup_frac = 0;    // of train.steps, rounded up; at most one of warmup_steps, warmup_frac
  double final_lr_frac = 0;  // last learning rate over the peak
  double decay_frac = 0.2;   // wsd: the last part of the run, where the rate falls
};

/// YAML section `validation:`: perplexity on data.validation during training.
struct ValidationConfig {
  int64_t every_steps = 0;  // 0: at the end only
  int64_t tokens = 0;       // scored at most; 0: the whole store
};

}  // namespace lckv::config
