#pragma once

#include <array>
#include <functional>
#include <span>
#include <vector>

#include "lckv/comm/communicators.h"
#include "lckv/model/executor.h"
#include "lckv/model/head.h"
#include "lckv/tensor/graph.h"
#include "lckv/tensor/transfer.h"

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
  // On a GPU, forward and backward of a micro-batch are recorded once and then launched as one,
  // where no collective is part of them.
  bool graphs = false;
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

  /// The same without waiting for the device: sum_nll [1] F64 on the stream's device is written, or
  /// added to, by `first_write` too.
  void queue_score_with_gradient(Stream& stream, const ParameterSet& weights,
                                 const ParameterSet& gradients, const TokenBatch& batch,
                                 double scale, View sum_nll, ops::GradMode first_write,
                                 MicroBatch which = MicroBatch::kLast,
                                 const BucketComplete& complete = {});

  /// Logits of every position, whole on every rank: [N, V] F32 (F64), the caller's memory on the
  /// stream's device.
  void logits(Stream& stream, const ParameterSet& weights, const TokenBatch& batch, View logits);

  /// nll per row of the last score: [N] F32 (F64), on the stream's device.
  ConstView nll() const { return nll_; }
  const Plan& plan() const { return executor_.plan(); }
  const Executor& executor() const { return executor_; }
  const Dims& dims() const { return executor_.dims(); }
  int64_t head_chunk_rows() const { return head_.chunk_rows(); }
  /// Micro-batches that were launched as a recorded graph.
  int64_t graph_launches() const { return graph_launches_; }

 private:
  /// What a recorded micro-batch depends on.
  struct GraphKey {
    ops::GradMode first_write = ops::GradMode::kOverwrite;
    const void *weights = nullptr, *gradients = nullptr, *sum_nll = nullptr;
    int64_t scratch_moves = 0;
    bool operator==(const GraphKey&) const = default;
  };
  struct RecordedBatch {
    GraphKey key;
    Graph graph;  // none yet: it has run once, so that what it needs at run time is there
  };

  /// Copies the batch to the device, and the scale of a gradient.
  void load(Stream& stream, const TokenBatch& batch, double scale = 0);
  void launch_or_record(Stream& stream, const GraphKey& key, const std::function<void()>& run);
  double sum_of_nll(Stream& stream);
  void sum_shared(Stream& stream, const ParameterSet& gradients, int bucket) const;

  const comm::Communicators& ranks_;
  Executor executor_;
  Head head_;
  View tokens_, targets_, first_key_;  // [N], [N], [B, T] I32
  View sum_nll_;                       // [1] F64
  View scale_;                         // [1] F64, of the gradient; of training
  // Where host and device differ, batches wait here for their copy: the host fills one while the
  // device may still read the other.
  struct Staged {
    Buffer numbers;  // [3, N] I32: tokens, targets, first keys
    Buffer scale;    // [1] F64
    Event copied;
  };
  std::array<Staged, 2> staged_;
  size_t next_staged_ = 0;
  bool graphs_;
  std::vector<RecordedBatch> recorded_;
  int64_t graph_launches_ = 0;
  ConstView nll_;
};

}  // namespace lckv::model
