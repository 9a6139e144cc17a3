#pragma once

#include <chrono>
#include <cstdint>
#include <optional>
#include <span>
#include <string>
#include <utility>
#include <vector>

#include "lckv/data/tokenizer.h"
#include "lckv/eval/run_tasks.h"

namespace lckv::eval {

/// What results say of the run besides its tasks.
struct RunFacts {
  std::string model_source = "lckv";
  std::string model_name;  // part of the files' path
  std::string model_args;
  int64_t parameters = 0;
  std::string dtype;  // "bfloat16", of the weights
  int64_t batch_size = 1;
  std::string device;           // "cuda:0"
  std::string program_version;  // lckv::program_version()
  std::string environment;      // "pretty_env_info"
  std::chrono::system_clock::time_point start, end;
  bool samples_logged = false;  // task_hashes are those of logged samples
  /// Under "engine", where all that is ours and not the harness's stands: lckv_forward, compat,
  /// logits, kernels, ...
  std::vector<std::pair<std::string, std::string>> engine;
};

/// results.json as lm-evaluation-harness v0.4.5 writes it (spec/evaluation.md 6.1), with `indent`
/// blanks per level: 2 as the harness, 4 as LCKV's own script. "engine" also holds tokens_per_s
/// and, per task, documents scored, errors and accuracies by kind. Throws ConfigError when two
/// tasks have one name.
std::string results_json(std::span<const TaskInput> inputs, std::span<const TaskResult> results,
                         const RunOptions& options, const data::Tokenizer& tokenizer,
                         const RunFacts& facts, int indent);

}  // namespace lckv::eval
