#pragma once

#include <atomic>
#include <memory>
#include <span>
#include <vector>

#include "lckv/eval/forward_mode.h"
#include "lckv/eval/token_pair.h"
#include "lckv/model/model.h"

namespace lckv::eval {

/// Log-probabilities of continuations, many rows to a forward. Rows are sorted by length and padded
/// at their right to the longest of the batch: padding stands after every token that counts, so a
/// causal model never sees it.
class RowScorer {
 public:
  struct Options {
    int64_t B = 8;  // rows of one forward
    ForwardMode mode = ForwardMode::iterate(1);
  };

  /// `weights` must outlive the scorer.
  RowScorer(const config::ModelConfig& config, const model::ParameterSet& weights,
            const Options& options);
  ~RowScorer();

  /// Sum of the log-probabilities of each row's scored tokens, in double, in the order of `rows`.
  /// Throws Interrupted when `stop` becomes true, looked at before every batch.
  std::vector<double> score(Stream& stream, std::span<const TokenPair> rows,
                            const std::atomic<bool>* stop = nullptr);

 private:
  struct Network;
  Network& network_for(Stream& stream, int64_t inputs);

  config::ModelConfig config_;
  const model::ParameterSet& weights_;
  Options options_;
  std::unique_ptr<Network> network_;
};

}  // namespace lckv::eval
