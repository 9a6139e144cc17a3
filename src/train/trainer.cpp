#include "lckv/train/trainer.h"

#include <cmath>

#include "lckv/base/text.h"
#include "lckv/kernels/ops/copy.h"
#include "lckv/model/init.h"

namespace lckv::train {

using ops::GradMode;

namespace {

model::ModelOptions network_options(const config::ModelConfig& config,
                                    const Trainer::Options& options) {
  model::ModelOptions network = model::model_options(config, options.dtype, options.B, options.T);
  network.plan = options.plan;
  network.recompute = options.recompute;
  network.document_mask = options.document_mask;
  network.ranks = options.ranks;
  network.sequence_parallel = options.sequence_parallel;
  return network;
}

model::ParameterShare share_of(const comm::Grid& grid) {
  return {grid.tp, grid.tp_rank(), grid.dp};
}

}  // namespace

Trainer::Trainer(Arena& arena, const config::ModelConfig& config, const Options& options)
    : ranks_(*options.ranks),
      config_(config),
      table_(model::make_parameter_table(config, share_of(ranks_.grid))),
      weights_(table_, arena, "weights", options.dtype),
      gradients_(table_, arena, "gradients", accumulator(options.dtype)),
      optimizer_(arena, table_, options.dtype, ranks_.grid.dp_rank()),
      zero1_(ranks_),
      network_(arena, config, network_options(config, options)) {}

void Trainer::prepare(Stream& stream) { network_.prepare(stream); }

void Trainer::initialize(Stream& stream, uint64_t seed) {
  set_weights(stream, [&](const model::Parameter& parameter, View local) {
    model::initialize(parameter, local, config_, seed);
  });
}

namespace {

void fill_bucket(const model::ParameterTable& table, int bucket, const View& flat,
                 const Trainer::Fill& fill) {
  for (const model::Parameter& parameter : table.parameters) {
    if (table.storage_of(parameter).bucket != bucket) continue;
    fill(parameter, model::cut_parameter(flat, table, parameter));
  }
}

}  // namespace

void Trainer::set_weights(Stream& stream, const Fill& fill) {
  for (size_t b = 0; b < table_.buckets.size(); ++b) {
    const View weights = weights_.buckets()[b];
    if (!optimizer_.has_masters()) {
      fill_bucket(table_, static_cast<int>(b), weights, fill);
      continue;
    }
    const View own = optimizer_.masters().parts()[b];
    const bool owns_all = ranks_.grid.dp == 1;
    const Buffer memory(owns_all ? Buffer() : Buffer(own.dtype(), weights.shape()));
    const View wide = owns_all ? own : memory.view();
    fill_bucket(table_, static_cast<int>(b), wide, fill);
    if (!owns_all) {
      ops::copy(stream, own, model::owned_part(wide, table_, ranks_.grid.dp_rank()));
    }
    ops::copy(stream, weights, wide);
    stream.synchronize();
  }
}

void Trainer::set_owned(Stream& stream, const model::OwnedSet& set, const Fill& fill) {
  for (size_t b = 0; b < table_.buckets.size(); ++b) {
    const Buffer whole(set.dtype(), weights_.buckets()[b].shape());
    fill_bucket(table_, static_cast<int>(b), whole.view(), fill);
    ops::copy(stream, set.parts()[b],
              model::owned_part(whole.view(), table_, ranks_.grid.dp_rank()));
    stream.synchronize();
  }
}

std::vector<View> Trainer::owned_masters() const {
  if (optimizer_.has_masters()) return optimizer_.masters().parts();
  std::vector<View> parts;
  for (const View& bucket : weights_.buckets()) {
    parts.push_back(model::owned_part(bucket, table_, ranks_.grid.dp_rank()));
  }
  return parts;
}

double Trainer::global_sum(Stream& stream, double value, const char* label) const {
  ranks_.dp->all_reduce(stream, View(&value, DType::kF64, {1}), comm::ReduceOp::kSum, label);
  return value;
}

StepResult Trainer::step(Stream& stream, const std::function<model::TokenBatch(int64_t)>& next,
                         int64_t micro_batches, int64_t scored_targets,
                         const config::OptimizerConfig& optimizer, double lr, int64_t step) {
  LCKV_CHECK(micro_batches > 0, format("a step of {} micro-batches", micro_batches));
  StepResult result;
  result.lr = lr;
  result.scored_targets = static_cast<int64_t>(
      global_sum(stream, static_cast<double>(scored_targets), "scored targets"));
  const double scale =
      result.scored_targets > 0 ? 1.0 / static_cast<double>(result.scored_targets) : 0.0;
  double sum_nll = 0;
  for (int64_t i = 0; i < micro_batches; ++i) {
    sum_nll += network_.score_with_gradient(
        stream, weights_, gradients_, next(i), scale,
        i == 0 ? GradMode::kOverwrite : GradMode::kAccumulate,
        i + 1 == micro_batches ? model::MicroBatch::kLast : model::MicroBatch::kMore,
        [&](int bucket) { zero1_.start_reduce(stream, gradients_, bucket); });
  }
  result.loss = global_sum(stream, sum_nll, "loss") * scale;
  zero1_.finish_reduce();
  result.grad_norm = std::sqrt(optimizer_.gradient_norm_squared(stream, gradients_, *ranks_.world));
  result.updated = std::isfinite(result.loss) && std::isfinite(result.grad_norm);
  if (!result.updated) return result;
  for (int b = 0; b < static_cast<int>(table_.buckets.size()); ++b) {
    optimizer_.update(stream, b, weights_, gradients_, optimizer, lr, step);
    zero1_.start_gather(stream, weights_, b);
  }
  zero1_.finish_gather();
  return result;
}

}  // namespace lckv::train
