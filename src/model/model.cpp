#include "lckv/model/model.h"

#include <algorithm>

#include "lckv/base/error.h"
#include "lckv/base/text.h"
#include "lckv/kernels/ops/cross_entropy.h"
#include "lckv/kernels/ops/reduce.h"
#include "lckv/kernels/profile.h"
#include "lckv/tensor/transfer.h"

namespace lckv::model {

ModelOptions model_options(const config::ModelConfig& config, DType dtype, int64_t B, int64_t T) {
  ModelOptions options;
  options.dtype = dtype;
  options.B = B;
  options.T = T;
  options.forward_passes = static_cast<int>(config.forward_passes);
  options.backward_passes = static_cast<int>(config.backward_passes);
  return options;
}

namespace {

Dims dims_of(const config::ModelConfig& config, const ModelOptions& options) {
  Dims dims = make_dims(config, options.B, options.T);
  dims.tp = options.ranks->grid.tp;
  dims.sequence_parallel = options.sequence_parallel && dims.tp > 1;
  require_divisible(dims);
  return dims;
}

}  // namespace

Model::Model(Arena& arena, const config::ModelConfig& config, const ModelOptions& options)
    : ranks_(*options.ranks),
      executor_(arena, config,
                build_plan(make_layer_specs(config), options.forward_passes,
                           options.backward_passes, options.plan),
                dims_of(config, options), options.dtype, options.recompute, *ranks_.tp),
      head_(arena, config, executor_.dims(), options.dtype, options.plan.training,
            executor_.tensor_parallel()),
      graphs_(options.graphs) {
  const Dims& d = executor_.dims();
  tokens_ = arena.take("tables", "tokens", DType::kI32, {d.N()});
  targets_ = arena.take("tables", "targets", DType::kI32, {d.N()});
  if (options.document_mask) {
    first_key_ = arena.take("tables", "first_key", DType::kI32, {d.B, d.T});
  }
  sum_nll_ = arena.take("tables", "sum_nll", DType::kF64, {1});
  if (options.plan.training) scale_ = arena.take("tables", "scale", DType::kF64, {1});
}

void Model::prepare(Stream& stream) {
  executor_.prepare(stream);
  for (Staged& staged : staged_) {
    staged.numbers = Buffer::staging(DType::kI32, {3, dims().N()}, stream.device());
    if (scale_) staged.scale = Buffer::staging(DType::kF64, {1}, stream.device());
    staged.copied = Event(stream.device());
  }
}

void Model::load(Stream& stream, const TokenBatch& batch, double scale) {
  const auto N = static_cast<size_t>(dims().N());
  const size_t rows = batch.tokens.size();
  LCKV_CHECK(rows <= N && rows % static_cast<size_t>(dims().T) == 0 &&
                 (batch.targets.empty() || batch.targets.size() == rows) &&
                 (batch.first_key.size() == (first_key_ ? rows : 0)),
             format("batch of {} tokens, {} targets and {} first keys for [{}, {}]", rows,
                    batch.targets.size(), batch.first_key.size(), dims().B, dims().T));
  Staged& staged = staged_[next_staged_];
  next_staged_ = (next_staged_ + 1) % staged_.size();
  staged.copied.synchronize();
  const auto fill = [&](View to, int64_t row, std::span<const int32_t> from, int32_t padding) {
    const View host = staged.numbers.view().slice(0, row, row + 1).reshape(to.shape());
    auto* data = host.data<int32_t>();
    std::fill(std::copy(from.begin(), from.end(), data), data + N, padding);
    transfer(stream, to, host);
  };
  fill(tokens_, 0, batch.tokens, 0);
  fill(targets_, 1, batch.targets, ops::kIgnoreTarget);
  if (first_key_) fill(first_key_, 2, batch.first_key, 0);
  if (scale_) {
    staged.scale.view().data<double>()[0] = scale;
    transfer(stream, scale_, staged.scale.view());
  }
  staged.copied.record(stream);
}

double Model::sum_of_nll(Stream& stream) {
  ops::sum(stream, sum_nll_, nll_, ops::GradMode::kOverwrite);
  return to_host(stream, sum_nll_).view().data<double>()[0];
}

double Model::score(Stream& stream, const ParameterSet& weights, const TokenBatch& batch) {
  load(stream, batch);
  const ConstView hidden = executor_.forward(stream, weights, tokens_, first_key_);
  nll_ = head_.score(stream, weights, hidden, targets_);
  return sum_of_nll(stream);
}

/// Gradients of parameters that several ranks of the copy hold and each has a part of: K,V heads
/// that are shared, and norm gains where each rank saw its own rows.
void Model::sum_shared(Stream& stream, const ParameterSet& gradients, int bucket) const {
  const auto sum = [&](comm::Communicator& group, View gradient, const char* label) {
    if (gradient) group.all_reduce(stream, gradient, comm::ReduceOp::kSum, label);
  };
  const ParameterTable& table = gradients.table();
  const bool is_layer = bucket != table.embedding_bucket() && bucket != table.head_bucket();
  if (is_layer) {
    sum(*ranks_.kv, gradients.layer(bucket - table.layer_bucket(0)).key_value, "kv gradient");
  }
  if (!dims().sequence_parallel) return;
  if (bucket == table.head_bucket()) sum(*ranks_.tp, gradients.norm(), "tp norm gradient");
  if (!is_layer) return;
  const LayerWeights& layer = gradients.layer(bucket - table.layer_bucket(0));
  sum(*ranks_.tp, layer.input_norm, "tp norm gradient");
  sum(*ranks_.tp, layer.mlp_norm, "tp norm gradient");
}

double Model::score_with_gradient(Stream& stream, const ParameterSet& weights,
                                  const ParameterSet& gradients, const TokenBatch& batch,
                                  double scale, ops::GradMode first_write, MicroBatch which,
                                  const BucketComplete& complete) {
  queue_score_with_gradient(stream, weights, gradients, batch, scale, sum_nll_, first_write, which,
                            complete);
  return sum_of_nll(stream);
}

void Model::queue_score_with_gradient(Stream& stream, const ParameterSet& weights,
                                      const ParameterSet& gradients, const TokenBatch& batch,
                                      double scale, View sum_nll, ops::GradMode first_write,
                                      MicroBatch which, const BucketComplete& complete) {
  const ParameterTable& table = gradients.table();
  const auto finish_bucket = [&](int bucket) {
    if (which == MicroBatch::kMore) return;
    sum_shared(stream, gradients, bucket);
    if (complete) complete(bucket);
  };
  const auto run = [&](const std::function<void(int)>& finish) {
    const ConstView hidden = executor_.forward(stream, weights, tokens_, first_key_);
    nll_ = head_.score_with_gradient(stream, weights, gradients, hidden, targets_,
                                     executor_.output_grad(), scale_, first_write);
    finish(table.head_bucket());
    executor_.backward(stream, weights, gradients, tokens_, first_key_, first_write,
                       [&](int layer) { finish(table.layer_bucket(layer)); });
    finish(table.embedding_bucket());
    ops::sum(stream, sum_nll, nll_, first_write);
  };
  load(stream, batch, scale);
  const bool communicates =
      ranks_.tp->size() > 1 || (which == MicroBatch::kLast && ranks_.dp->size() > 1);
  const bool is_timed = ops::is_profiling();  // op by op
  if (!graphs_ || communicates || is_timed || stream.device().kind == DeviceKind::kCpu)
    return run(finish_bucket);
  launch_or_record(stream,
                   {first_write, weights.buckets().front().raw(), gradients.buckets().front().raw(),
                    sum_nll.raw(), stream.scratch_moves()},
                   [&] { run([](int) {}); });
  for (int bucket = static_cast<int>(table.buckets.size()) - 1; bucket >= 0; --bucket) {
    finish_bucket(bucket);
  }
}

/// Runs it the first time, records it the second, launches it from then on.
void Model::launch_or_record(Stream& stream, const GraphKey& key,
                             const std::function<void()>& run) {
  // A run needs two: of the first micro-batch and of those that add to it. Each holds memory of the
  // device for its nodes.
  constexpr size_t kKept = 8;
  const auto found = std::find_if(recorded_.begin(), recorded_.end(),
                                  [&](const RecordedBatch& batch) { return batch.key == key; });
  if (found == recorded_.end()) {
    run();
    if (recorded_.size() >= kKept) recorded_.erase(recorded_.begin());
    recorded_.push_back({key, {}});
    recorded_.back().key.scratch_moves = stream.scratch_moves();
    return;
  }
  if (!found->graph) found->graph = Graph::record(stream, run);
  found->graph.launch(stream);
  ++graph_launches_;
}

void Model::logits(Stream& stream, const ParameterSet& weights, const TokenBatch& batch,
                   View logits) {
  load(stream, batch);
  head_.logits(stream, weights, executor_.forward(stream, weights, tokens_, first_key_), logits);
  stream.synchronize();
}

}  // namespace lckv::model
