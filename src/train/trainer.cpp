#include "lckv/train/trainer.h"

#include <cmath>

#include "lckv/base/text.h"
#include "lckv/kernels/ops/copy.h"
#include "lckv/model/init.h"
#include "lckv/tensor/transfer.h"

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
  network.graphs = options.graphs;
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
      zero1_(arena, table_, ranks_),
      loss_(arena.take("optimizer", "loss", DType::kF64, {2})),
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

/// weights = wide, a host tensor, rounded.
void set_rounded(Stream& stream, View weights, ConstView wide) {
  const Buffer rounded(weights.dtype(), weights.shape());
  Stream host;
  ops::copy(host, rounded.view(), wide);
  transfer(stream, weights, rounded.view());
  stream.synchronize();
}

}  // namespace

void Trainer::set_weights(Stream& stream, const Fill& fill) {
  for (size_t b = 0; b < table_.buckets.size(); ++b) {
    const View weights = weights_.buckets()[b];
    if (!optimizer_.has_masters()) {
      const Buffer host(weights.dtype(), weights.shape());
      fill_bucket(table_, static_cast<int>(b), host.view(), fill);
      transfer(stream, weights, host.view());
      stream.synchronize();
      continue;
    }
    const View own = optimizer_.masters().parts()[b];
    // All of the bucket at the masters' precision, filled on the host.
    const Buffer host(own.dtype(), weights.shape());
    fill_bucket(table_, static_cast<int>(b), host.view(), fill);
    transfer(stream, own, model::owned_part(host.view(), table_, ranks_.grid.dp_rank()));
    set_rounded(stream, weights, host.view());
    stream.synchronize();
  }
}

void Trainer::gather_weights(Stream& stream) {
  const std::vector<View> owned = owned_parts(weights_), masters = owned_masters();
  for (size_t b = 0; b < owned.size(); ++b) {
    if (optimizer_.has_masters()) ops::copy(stream, owned[b], masters[b]);
    zero1_.start_gather(stream, weights_, static_cast<int>(b));
  }
  zero1_.finish_gather();
}

std::vector<View> Trainer::owned_parts(const model::ParameterSet& set) const {
  std::vector<View> parts;
  for (const View& bucket : set.buckets()) {
    parts.push_back(model::owned_part(bucket, table_, ranks_.grid.dp_rank()));
  }
  return parts;
}

std::vector<View> Trainer::owned_masters() const {
  return optimizer_.has_masters() ? optimizer_.masters().parts() : owned_parts(weights_);
}

double Trainer::global_sum(double value, const char* label) const {
  Stream host;  // the device's queue need not be empty for it
  ranks_.dp->all_reduce(host, View(&value, DType::kF64, {1}), comm::ReduceOp::kSum, label);
  return value;
}

void Trainer::sweep(Stream& stream, const NextBatch& next, int64_t micro_batches, double scale) {
  for (int64_t i = 0; i < micro_batches; ++i) {
    network_.queue_score_with_gradient(
        stream, weights_, gradients_, next(i), scale, loss_.slice(0, 0, 1),
        i == 0 ? GradMode::kOverwrite : GradMode::kAccumulate,
        i + 1 == micro_batches ? model::MicroBatch::kLast : model::MicroBatch::kMore,
        [&](int bucket) { zero1_.start_reduce(stream, gradients_, bucket); });
  }
}

NonFiniteReport Trainer::find_not_finite(Stream& stream, double loss) const {
  const comm::Grid& grid = ranks_.grid;
  std::vector<NonFinite> found = find_nonfinite_loss(grid, loss);
  const auto look = [&](NonFiniteKind kind, const std::vector<View>& parts) {
    const std::vector<NonFinite> more = find_nonfinite(table_, grid, kind, parts);
    found.insert(found.end(), more.begin(), more.end());
    return !more.empty();
  };
  stream.synchronize();
  look(NonFiniteKind::kWeight, weights_.buckets());
  if (optimizer_.has_masters()) look(NonFiniteKind::kMaster, optimizer_.masters().parts());
  look(NonFiniteKind::kFirstMoment, owned_first_moments());
  look(NonFiniteKind::kSecondMoment, owned_second_moments());
  const bool gradients = look(NonFiniteKind::kGradient, owned_parts(gradients_));
  const bool is_source = grid.dp == 1 ? gradients : !zero1_.contribution_is_finite(stream);
  return gather_nonfinite(*ranks_.world, table_, found, is_source);
}

StepResult Trainer::step(Stream& stream, const NextBatch& next, int64_t micro_batches,
                         int64_t scored_targets, const config::OptimizerConfig& optimizer,
                         double lr, int64_t step, const Accept& accept) {
  LCKV_CHECK(micro_batches > 0, format("a step of {} micro-batches", micro_batches));
  StepResult result;
  result.lr = lr;
  result.scored_targets =
      static_cast<int64_t>(global_sum(static_cast<double>(scored_targets), "scored targets"));
  const double scale =
      result.scored_targets > 0 ? 1.0 / static_cast<double>(result.scored_targets) : 0.0;
  sweep(stream, next, micro_batches, scale);
  const View own_loss = loss_.slice(0, 0, 1), all_loss = loss_.slice(0, 1, 2);
  ops::copy(stream, all_loss, own_loss);
  ranks_.dp->all_reduce(stream, all_loss, comm::ReduceOp::kSum, "loss");
  zero1_.finish_reduce();
  const AdamW::Norms norms =
      optimizer_.measure(stream, weights_, gradients_, all_loss, *ranks_.world);
  const Buffer losses = to_host(stream, loss_);
  result.loss = losses.view().data<double>()[1] * scale;
  result.grad_norm = std::sqrt(norms.gradient_squared);
  if (!norms.finite()) {
    result.outcome = StepOutcome::kNotFinite;
    result.not_finite = find_not_finite(stream, losses.view().data<double>()[0]);
  } else if (accept && !accept(result.loss, result.grad_norm)) {
    result.outcome = StepOutcome::kRefused;
  }
  result.updated = result.outcome == StepOutcome::kApplied;
  if (result.updated) update(stream, optimizer, lr, step);
  return result;
}

void Trainer::update(Stream& stream, const config::OptimizerConfig& optimizer, double lr,
                     int64_t step) {
  for (int b = 0; b < static_cast<int>(table_.buckets.size()); ++b) {
    optimizer_.update(stream, b, weights_, gradients_, optimizer, lr, step);
    zero1_.start_gather(stream, weights_, b);
  }
  zero1_.finish_gather();
}

}  // namespace lckv::train
