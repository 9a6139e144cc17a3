#include "lckv/train/adamw.h"

#include "lckv/kernels/ops/adamw.h"
#include "lckv/kernels/ops/copy.h"
#include "lckv/kernels/ops/reduce.h"

namespace lckv::train {

using ops::GradMode;

namespace {

View flat(const View& view) { return view.reshape({view.numel()}); }

}  // namespace

AdamW::AdamW(Arena& arena, const model::ParameterTable& table, DType weights_dtype)
    : masters_(weights_dtype == accumulator(weights_dtype)
                   ? nullptr
                   : std::make_unique<model::ParameterSet>(table, arena, "masters",
                                                           accumulator(weights_dtype))),
      m_(table, arena, "adam_m", accumulator(weights_dtype)),
      v_(table, arena, "adam_v", accumulator(weights_dtype)),
      norm_squared_(arena.take("optimizer", "norm_squared", DType::kF64, {1})),
      clip_scale_(arena.take("optimizer", "clip_scale", accumulator(weights_dtype), {1})) {}

void AdamW::take_masters_from(Stream& stream, const model::ParameterSet& weights) {
  if (!masters_) return;
  for (size_t s = 0; s < weights.storages().size(); ++s) {
    ops::copy(stream, masters_->storages()[s], weights.storages()[s]);
  }
}

const model::ParameterSet& AdamW::masters(const model::ParameterSet& weights) const {
  return masters_ ? *masters_ : weights;
}

double AdamW::gradient_norm_squared(Stream& stream, const model::ParameterSet& gradients) {
  GradMode mode = GradMode::kOverwrite;
  for (const View& gradient : gradients.storages()) {
    ops::sum_of_squares(stream, norm_squared_, gradient, mode);
    mode = GradMode::kAccumulate;
  }
  stream.synchronize();
  return *norm_squared_.data<double>();
}

void AdamW::update(Stream& stream, const model::ParameterSet& weights,
                   const model::ParameterSet& gradients, const config::OptimizerConfig& settings,
                   double lr, int64_t step) {
  ops::clip_scale(stream, clip_scale_, norm_squared_, settings.clip_norm);
  const model::ParameterSet& highest = masters(weights);
  for (const model::Parameter& parameter : weights.table().parameters) {
    // shares its storage with the one before, and its decay
    if (parameter.first_row != 0) continue;
    const auto s = static_cast<size_t>(parameter.storage);
    const ops::AdamWStep update = {.lr = lr,
                                   .beta1 = settings.beta1,
                                   .beta2 = settings.beta2,
                                   .eps = settings.eps,
                                   .weight_decay = parameter.decays ? settings.weight_decay : 0,
                                   .step = step};
    ops::adamw_update(stream, flat(weights.storages()[s]), flat(highest.storages()[s]),
                      flat(m_.storages()[s]), flat(v_.storages()[s]), flat(gradients.storages()[s]),
                      clip_scale_, update);
  }
}

}  // namespace lckv::train
