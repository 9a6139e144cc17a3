#include "lckv/model/model.h"

#include <algorithm>

#include "lckv/base/error.h"
#include "lckv/base/text.h"
#include "lckv/kernels/ops/cross_entropy.h"

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
            executor_.tensor_parallel()) {
  const Dims& d = executor_.dims();
  tokens_ = arena.take("tables", "tokens", DType::kI32, {d.N()});
  targets_ = arena.take("tables", "targets", DType::kI32, {d.N()});
  if (options.document_mask) {
    first_key_ = arena.take("tables", "first_key", DType::kI32, {d.B, d.T});
  }
}

void Model::prepare(Stream& stream) { executor_.prepare(stream); }

void Model::load(const TokenBatch& batch) {
  const auto N = static_cast<size_t>(dims().N());
  const size_t rows = batch.tokens.size();
  LCKV_CHECK(rows <= N && rows % static_cast<size_t>(dims().T) == 0 &&
                 (batch.targets.empty() || batch.targets.size() == rows) &&
                 (batch.first_key.size() == (first_key_ ? rows : 0)),
             format("batch of {} tokens, {} targets and {} first keys for [{}, {}]", rows,
                    batch.targets.size(), batch.first_key.size(), dims().B, dims().T));
  const auto fill = [&](View to, std::span<const int32_t> from, int32_t padding) {
    auto* data = to.data<int32_t>();
    std::fill(std::copy(from.begin(), from.end(), data), data + N, padding);
  };
  fill(tokens_, batch.tokens, 0);
  fill(targets_, batch.targets, ops::kIgnoreTarget);
  if (first_key_) fill(first_key_, batch.first_key, 0);
}

double Model::sum_nll() const {
  // In the order of rows, in double: independent of threads and of how rows were chunked.
  const auto sum = [&](const auto* nll) {
    double total = 0;
    for (int64_t n = 0; n < nll_.numel(); ++n) total += static_cast<double>(nll[n]);
    return total;
  };
  return nll_.dtype() == DType::kF64 ? sum(nll_.data<double>()) : sum(nll_.data<float>());
}

double Model::score(Stream& stream, const ParameterSet& weights, const TokenBatch& batch) {
  load(batch);
  const ConstView hidden = executor_.forward(stream, weights, tokens_, first_key_);
  nll_ = head_.score(stream, weights, hidden, targets_);
  stream.synchronize();
  return sum_nll();
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
  const auto finish_bucket = [&](int bucket) {
    if (which == MicroBatch::kMore) return;
    sum_shared(stream, gradients, bucket);
    if (complete) complete(bucket);
  };
  const ParameterTable& table = gradients.table();
  load(batch);
  const ConstView hidden = executor_.forward(stream, weights, tokens_, first_key_);
  nll_ = head_.score_with_gradient(stream, weights, gradients, hidden, targets_,
                                   executor_.output_grad(), scale, first_write);
  finish_bucket(table.head_bucket());
  executor_.backward(stream, weights, gradients, tokens_, first_key_, first_write,
                     [&](int layer) { finish_bucket(table.layer_bucket(layer)); });
  finish_bucket(table.embedding_bucket());
  stream.synchronize();
  return sum_nll();
}

void Model::logits(Stream& stream, const ParameterSet& weights, const TokenBatch& batch,
                   View logits) {
  load(batch);
  head_.logits(stream, weights, executor_.forward(stream, weights, tokens_, first_key_), logits);
  stream.synchronize();
}

}  // namespace lckv::model
