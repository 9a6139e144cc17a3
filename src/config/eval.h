#pragma once

#include <cstdint>
#include <map>
#include <optional>
#include <string>
#include <vector>

namespace lckv::config {

// auto: where the model has layers that are iterated and there is validation data
enum class ExactValidation { kAuto, kTrue, kFalse };
// auto: where a validation is scored exactly and the model has layers that are iterated
enum class KvConvergence { kAuto, kTrue, kFalse };

/// YAML section `eval:`: scores on tasks during training, and the validation loss at the fixed
/// point of the iterated layers beside the one of the passes that are trained.
struct EvalConfig {
  int64_t every_steps = -1;        // of the tasks; 0: at the end only; -1: nothing of this section
  std::vector<std::string> tasks;  // eval/task.h
  std::string task_data;  // folder of their files, by the names that eval/task_files.h tells
  std::map<std::string, std::string> task_files;     // in place of those: {arc_easy: dev.jsonl}
  std::map<std::string, std::string> fewshot_files;  // the same for examples
  // files of questions in the format of the bundled ones (eval/raw_formats.h), with BOS in front; a
  // file's name without its ending names its scores
  std::vector<std::string> questions;
  int64_t num_fewshot = 0;  // examples in front of each document of a task
  // documents of a task or file: the first so many, or that part of them below 1; 0: all
  double limit = 0;
  std::string compat = "lmeval-0.4.5";  // eval/compat.h; of the tasks
  // each validation is scored at the fixed point too, and that loss chooses the best state
  ExactValidation exact_validation = ExactValidation::kAuto;
  // of the validation's tokens, the first so many, are scored exactly; null: as many as 32
  // sequences hold; 0: all
  std::optional<int64_t> exact_tokens;
  // passes go on until no keys and values that are read upward change by more, relatively; 0: 1e-6,
  // or the rounding of the precision where that is coarser (bf16: 2^-8)
  double converge_eps = 0;
  // each exact validation tells how keys and values that are read upward settle, pass by pass
  KvConvergence kv_convergence = KvConvergence::kAuto;
  // and how far they are from exact ones after the passes of training; takes memory for them
  bool kv_exact_distance = false;
  int64_t batch_tokens = 2048;  // of one forward of the tasks, and of the exact validation

  /// Whether any of it is done.
  bool is_on() const { return every_steps >= 0; }
};

}  // namespace lckv::config
