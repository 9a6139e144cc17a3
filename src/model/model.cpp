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

Model::Model(Arena& arena, const config::ModelConfig& config, const ModelOptions& options)
    : executor_(arena, config,
                build_plan(make_layer_specs(config), options.forward_passes,
                           options.backward_passes, options.plan),
                make_dims(config, options.B, options.T), options.dtype, options.recompute),
      head_(arena, config, executor_.dims(), options.dtype, options.plan.training) {
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

double Model::score_with_gradient(Stream& stream, const ParameterSet& weights,
                                  const ParameterSet& gradients, const TokenBatch& batch,
                                  double scale, ops::GradMode first_write) {
  load(batch);
  const ConstView hidden = executor_.forward(stream, weights, tokens_, first_key_);
  nll_ = head_.score_with_gradient(stream, weights, gradients, hidden, targets_,
                                   executor_.output_grad(), scale, first_write);
  executor_.backward(stream, weights, gradients, tokens_, first_key_, first_write);
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
