#pragma once

#include <atomic>
#include <memory>
#include <span>
#include <vector>

#include "lckv/comm/communicators.h"
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
    // the grid's; they outlive the scorer. Copies of the model take batches in turn.
    const comm::Communicators* ranks = &comm::single_process();
  };

  /// `weights`, this rank's share, must outlive the scorer.
  RowScorer(const config::ModelConfig& config, const model::ParameterSet& weights,
            const Options& options);
  ~RowScorer();

  /// Sum of the log-probabilities of each row's scored tokens, in double, in the order of `rows`.
  /// Collective over the grid, with equal rows; the same bits on every rank, and for every number
  /// of copies. Throws Interrupted on all ranks when `stop` is set on any, looked at before every
  /// batch of this copy.
  std::vector<double> score(Stream& stream, std::span<const TokenPair> rows,
                            const std::atomic<bool>* stop = nullptr);

 private:
  struct Network;
  Network& network_for(Stream& stream, int64_t inputs);
  void score_batch(Stream& stream, std::span<const TokenPair> rows, std::span<const size_t> batch,
                   std::vector<double>& scores);

  config::ModelConfig config_;
  const model::ParameterSet& weights_;
  Options options_;
  std::unique_ptr<Network> network_;
};

}  // namespace lckv::eval
