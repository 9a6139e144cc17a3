#include "lckv/train/trainer.h"

#include <cmath>

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
  return network;
}

}  // namespace

Trainer::Trainer(Arena& arena, const config::ModelConfig& config, const Options& options)
    : config_(config),
      table_(model::make_parameter_table(config)),
      weights_(table_, arena, "weights", options.dtype),
      gradients_(table_, arena, "gradients", accumulator(options.dtype)),
      optimizer_(arena, table_, options.dtype),
      network_(arena, config, network_options(config, options)) {}

void Trainer::prepare(Stream& stream) { network_.prepare(stream); }

void Trainer::initialize(Stream& stream, uint64_t seed) {
  model::initialize(masters(), config_, seed);
  publish_masters(stream);
}

void Trainer::publish_masters(Stream& stream) {
  if (!optimizer_.has_masters()) return;
  for (size_t s = 0; s < weights_.storages().size(); ++s) {
    ops::copy(stream, weights_.storages()[s], masters().storages()[s]);
  }
}

StepResult Trainer::step(Stream& stream, const std::function<model::TokenBatch(int64_t)>& next,
                         int64_t micro_batches, int64_t scored_targets,
                         const config::OptimizerConfig& optimizer, double lr, int64_t step) {
  StepResult result;
  result.lr = lr;
  result.scored_targets = scored_targets;
  const double scale = scored_targets > 0 ? 1.0 / static_cast<double>(scored_targets) : 0.0;
  double sum_nll = 0;
  for (int64_t i = 0; i < micro_batches; ++i) {
    sum_nll += network_.score_with_gradient(stream, weights_, gradients_, next(i), scale,
                                            i == 0 ? GradMode::kOverwrite : GradMode::kAccumulate);
  }
  result.loss = sum_nll * scale;
  result.grad_norm = std::sqrt(optimizer_.gradient_norm_squared(stream, gradients_));
  result.updated = std::isfinite(result.loss) && std::isfinite(result.grad_norm);
  if (result.updated) optimizer_.update(stream, weights_, gradients_, optimizer, lr, step);
  return result;
}

}  // namespace lckv::train
