#pragma once

#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "lckv/config/run.h"
#include "lckv/data/loader.h"
#include "lckv/eval/run_tasks.h"

namespace lckv::train {

/// A task that a run is evaluated on.
struct EvaluationTask {
  std::string name;  // of its scores: the task's, or that of the file of questions
  eval::TaskInput input;
  eval::RunOptions options;
};

/// What a run is evaluated on, read when the run starts: what is missing or damaged then ends the
/// start, not the training.
struct EvaluationData {
  /// Reads the files and cuts their texts into tokens, once, to find what cannot be asked. `B` is
  /// that of validation batches; `threads` encode. Throws IoError (no such file), DataError (not in
  /// the task's format, too few examples), ConfigError (no such task, two of one name).
  EvaluationData(const config::RunConfig& run, int64_t B, int threads);

  std::shared_ptr<const data::Tokenizer> tokenizer;  // the training data's
  std::vector<EvaluationTask> tasks;
  // Where validations are scored exactly: those sequences, and the rows to score of them.
  std::optional<data::ValidationLoader> exact_sequences;
  std::vector<eval::TokenPair> exact_rows;
  std::string fingerprint;            // equal on ranks that ask the same
  std::vector<std::string> warnings;  // of documents that cannot be asked
};

}  // namespace lckv::train
