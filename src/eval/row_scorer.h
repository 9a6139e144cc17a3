#pragma once

#include <atomic>
#include <memory>
#include <optional>
#include <span>
#include <vector>

#include "lckv/comm/communicators.h"
#include "lckv/eval/forward_mode.h"
#include "lckv/eval/kv_convergence.h"
#include "lckv/eval/request.h"
#include "lckv/eval/token_pair.h"
#include "lckv/model/parameter_set.h"
#include "lckv/tensor/arena.h"
#include "lckv/tensor/stream.h"

namespace lckv::eval {

/// Log-probabilities of continuations. Rows of all lengths share a forward without padding, and
/// what rows begin with in common is computed once: exact also for iterated passes, because all
/// rows of a tree make every pass together (spec/evaluation.md 7.3).
class RowScorer {
 public:
  struct Options {
    ForwardMode mode = ForwardMode::iterate(1);
    int64_t batch_tokens = 2048;  // of one forward; longer rows are computed alone
    // false: every row is computed whole. The scores are the same, but in mode converge: there a
    // forward goes on until each stretch of its tree, which may be a part of a row, has converged.
    bool shares_prefixes = true;
    bool bf16_logits = false;   // infer::OutputHead::Options
    infer::KvProbe kv_probe{};  // what kv_convergence() tells
    // the grid's; they outlive the scorer. Copies of the model take batches in turn.
    const comm::Communicators* ranks = &comm::single_process();
  };
  /// What the calls so far took.
  struct Work {
    int64_t rows = 0;
    int64_t row_tokens = 0;  // inputs of all rows
    int64_t computed_tokens = 0;
    int64_t most_passes = 0;  // of the iterated layers in one forward
    double elapsed_s = 0;
  };

  /// `weights`, this rank's share, must outlive the scorer. It takes memory when it first needs it.
  RowScorer(const config::ModelConfig& config, const model::ParameterSet& weights,
            const Options& options);
  /// Plans its memory or takes it from `arena`, for rows of up to `longest` inputs. Call prepare()
  /// once on a real arena.
  RowScorer(Arena& arena, const config::ModelConfig& config, const model::ParameterSet& weights,
            const Options& options, int64_t longest);
  ~RowScorer();
  void prepare(Stream& stream);

  /// Of each row's scored tokens, in the order of `rows`: the sums of their log-probabilities and
  /// of these squared, and whether each is the likeliest. Sums run in double. Collective over the
  /// grid, with equal rows; the same bits on every rank. Throws Interrupted on all ranks when any's
  /// `stop` is set, looked at before every batch of this copy.
  std::vector<RequestScore> score(Stream& stream, std::span<const TokenPair> rows,
                                  const std::atomic<bool>* stop = nullptr);

  /// Of the newest score(), by all copies; none unless Options::kv_probe asks for changes.
  const std::optional<KvConvergence>& kv_convergence() const { return kv_convergence_; }

  /// Of this copy of the model.
  const Work& work() const { return work_; }
  void forget_work() { work_ = {}; }

 private:
  class Network;
  struct Sizes;
  struct Batch;
  Sizes sizes_for(int64_t longest) const;
  Network& network_for(Stream& stream, int64_t longest);
  std::vector<Batch> make_batches(std::span<const TokenPair> rows) const;
  void sum_kv_changes(Stream& stream, KvConvergenceSums& sums);

  config::ModelConfig config_;
  const model::ParameterSet& weights_;
  Options options_;
  Work work_;
  std::optional<KvConvergence> kv_convergence_;
  std::unique_ptr<Arena> memory_;  // of its own, if any
  std::unique_ptr<Network> network_;
};

}  // namespace lckv::eval
