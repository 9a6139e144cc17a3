#pragma once

#include <functional>
#include <span>

#include "lckv/comm/communicators.h"
#include "lckv/model/executor.h"
#include "lckv/model/head.h"

namespace lckv::model {

/// B sequences of T tokens on the host. targets[n] is the token after tokens[n], or
/// ops::kIgnoreTarget. Fewer than B sequences are allowed: the rest is not scored.
struct TokenBatch {
  std::span<const int32_t> tokens;     // up to B*T
  std::span<const int32_t> targets;    // as many; may be empty for logits alone
  std::span<const int32_t> first_key;  // as many, or empty: no document mask
};

struct ModelOptions {
  DType dtype = DType::kF32;  // of weights and activations
  int64_t B = 1;
  int64_t T = 1;
  int forward_passes = 0;   // m
  int backward_passes = 1;  // b
  PlanOptions plan;
  config::Recompute recompute = config::Recompute::kNone;
  bool document_mask = false;
  // the grid's; they outlive the model
  const comm::Communicators* ranks = &comm::single_process();
  bool sequence_parallel = false;
};

/// Whether more micro-batches will add to the gradients.
enum class MicroBatch {
  kMore,
  kLast,  // the gradients are completed: what ranks of a copy hold in common is summed over them
};

/// Called with each bucket of the parameter table as soon as its gradients are complete on this
/// rank: its reduction may start beside the rest of the backward sweep. The order is the same on
/// every rank.
using BucketComplete = std::function<void(int bucket)>;

/// Options that follow the config: its m and b.
ModelOptions model_options(const config::ModelConfig& config, DType dtype, int64_t B, int64_t T);

/// A network ready to run: embedding, the plan's cells, head. Weights and gradients belong to the
/// caller, their tables have the rank's share of the parameters. Every function that takes a stream
/// is collective over the ranks of a model copy, which all get the same batch.
class Model {
 public:
  /// Takes all its memory from `arena` (planning or real). Call prepare() before the first use of a
  /// real one.
  Model(Arena& arena, const config::ModelConfig& config, const ModelOptions& options);
  Model(const Model&) = delete;
  Model& operator=(const Model&) = delete;
  void prepare(Stream& stream);

  /// Sum of the negative log-likelihood over the batch's scored targets.
  double score(Stream& stream, const ParameterSet& weights, const TokenBatch& batch);

  /// The same, and the gradient of scale * sum added into `gradients`, or written over them
  /// (kOverwrite).
  double score_with_gradient(Stream& stream, const ParameterSet& weights,
                             const ParameterSet& gradients, const TokenBatch& batch, double scale,
                             ops::GradMode first_write, MicroBatch which = MicroBatch::kLast,
                             const BucketComplete& complete = {});

  /// Logits of every position, whole on every rank: [N, V] F32 (F64), the caller's memory.
  void logits(Stream& stream, const ParameterSet& weights, const TokenBatch& batch, View logits);

  /// nll per row of the last score: [N] F32 (F64).
  ConstView nll() const { return nll_; }
  const Plan& plan() const { return executor_.plan(); }
  const Executor& executor() const { return executor_; }
  const Dims& dims() const { return executor_.dims(); }
  int64_t head_chunk_rows() const { return head_.chunk_rows(); }

 private:
  void load(const TokenBatch& batch);
  double sum_nll() const;
  void sum_shared(Stream& stream, const ParameterSet& gradients, int bucket) const;

  const comm::Communicators& ranks_;
  Executor executor_;
  Head head_;
  View tokens_, targets_, first_key_;  // [N], [N], [B, T] I32
  ConstView nll_;
};

}  // namespace lckv::model
