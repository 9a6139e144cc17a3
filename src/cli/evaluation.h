#pragma once

#include <atomic>
#include <string>

#include <nlohmann/json.hpp>

#include "lckv/base/clock.h"
#include "lckv/cli/commands.h"
#include "lckv/comm/communicators.h"
#include "lckv/comm/world.h"
#include "lckv/eval/row_scorer.h"
#include "lckv/model/parameter_set.h"
#include "lckv/train/model_source.h"

namespace lckv::cli {

/// A model and the ranks that `eval` asks it on.
struct Evaluation {
  comm::World& world;
  const EvalArgs& args;
  const train::ModelSource& source;
  const model::ParameterSet& weights;  // in a dry run without memory
  int64_t weights_bytes;
  const comm::Communicators& ranks;
  Device device;
  eval::ForwardMode mode;
  const std::atomic<bool>& stop;

  bool speaks() const { return world.rank() == 0; }
  /// ", dp 2 x tp 2" where there are several ranks.
  std::string grid_suffix() const;
  /// As the arguments say; they may leave batch_tokens to `usual`.
  eval::RowScorer::Options scorer_options(int64_t usual_batch_tokens) const;
  /// The one that is named, or the model's. Throws DataError when there is none, or it has more
  /// tokens than the model.
  std::shared_ptr<const data::Tokenizer> tokenizer() const;
};

/// What a kind of evaluation came to.
struct EvalOutcome {
  nlohmann::ordered_json result;
  ExitCode code = ExitCode::kOk;
};

// All collective; what they throw they throw on all ranks.

/// Scores args.perplexity and prints it.
EvalOutcome score_perplexity(const Evaluation& evaluation);
/// Asks args.tasks or args.questions, prints and writes the results. kData when a document could
/// not be asked.
EvalOutcome ask_tasks(const Evaluation& evaluation);

/// A part of row scoring that is worth a line on stderr: not more often than every few seconds.
class ScoringProgress {
 public:
  explicit ScoringProgress(std::string what) : what_(std::move(what)) {}
  void operator()(int64_t done, int64_t all);

 private:
  std::string what_;
  double said_s_ = 0;
  Stopwatch watch_;
};

/// "40 168 requests, 5 300 000 tokens, 2 700 000 computed (2 600 000 shared), 30.1 s".
std::string to_text(const eval::RowScorer::Work& work);
nlohmann::ordered_json to_json(const eval::RowScorer::Work& work);

/// What a dry run says of rows that would be scored, the longest of them with `longest` inputs.
struct PlannedRows {
  int64_t rows = 0, tokens = 0, computed_tokens = 0, longest = 0;
};
PlannedRows plan_rows(std::span<const eval::TokenPair> rows, bool shares_prefixes);
/// Prints it on rank 0; it is the result, too. `scoring_bytes` is the memory of a rank beside the
/// weights.
nlohmann::ordered_json report_plan(const Evaluation& evaluation, const std::string& what,
                                   const PlannedRows& planned, int64_t scoring_bytes);
/// Memory of a scorer of such rows.
int64_t planned_bytes(const Evaluation& evaluation, const PlannedRows& planned,
                      const eval::RowScorer::Options& options);

}  // namespace lckv::cli
