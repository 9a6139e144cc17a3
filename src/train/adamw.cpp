#include "lckv/train/adamw.h"

#include <algorithm>
#include <cmath>

#include "lckv/kernels/ops/adamw.h"
#include "lckv/kernels/ops/copy.h"
#include "lckv/kernels/ops/reduce.h"
#include "lckv/tensor/transfer.h"

namespace lckv::train {

using ops::GradMode;

AdamW::AdamW(Arena& arena, const model::ParameterTable& table, DType weights_dtype, int dp_rank)
    : dp_rank_(dp_rank),
      segments_(cut_segments(table, dp_rank)),
      masters_(weights_dtype == accumulator(weights_dtype)
                   ? nullptr
                   : std::make_unique<model::OwnedSet>(table, arena, "masters",
                                                       accumulator(weights_dtype))),
      m_(table, arena, "adam_m", accumulator(weights_dtype)),
      v_(table, arena, "adam_v", accumulator(weights_dtype)),
      norms_(arena.take("optimizer", "norms", DType::kF64, {2})),
      clip_scale_(arena.take("optimizer", "clip_scale", accumulator(weights_dtype), {1})) {}

std::vector<std::vector<AdamW::Segment>> AdamW::cut_segments(const model::ParameterTable& table,
                                                             int dp_rank) {
  std::vector<std::vector<Segment>> segments(table.buckets.size());
  for (const model::Parameter& parameter : table.parameters) {
    // shares its storage with the one before, its decay and its place
    if (parameter.first_row != 0) continue;
    const model::Storage& storage = table.storage_of(parameter);
    const auto bucket = static_cast<size_t>(storage.bucket);
    const int64_t elems = table.buckets[bucket].elems / table.share.dp;
    const int64_t first = dp_rank * elems;
    Segment segment;
    segment.begin = std::clamp<int64_t>(storage.offset_elems - first, 0, elems);
    segment.end =
        std::clamp<int64_t>(storage.offset_elems + storage.shape.numel() - first, 0, elems);
    segment.decays = parameter.decays;
    segment.counts_here = parameter.counts_here;
    if (segment.begin < segment.end) segments[bucket].push_back(segment);
  }
  return segments;
}

View AdamW::own(const model::ParameterSet& set, size_t bucket) const {
  return model::owned_part(set.buckets()[bucket], set.table(), dp_rank_);
}

View AdamW::highest(const model::ParameterSet& weights, size_t bucket) const {
  return masters_ ? masters_->parts()[bucket] : own(weights, bucket);
}

bool AdamW::Norms::finite() const {
  return std::isfinite(gradient_squared) && std::isfinite(rest_squared);
}

AdamW::Norms AdamW::measure(Stream& stream, const model::ParameterSet& weights,
                            const model::ParameterSet& gradients, ConstView loss,
                            comm::Communicator& world) {
  const View gradient = norms_.slice(0, 0, 1), rest = norms_.slice(0, 1, 2);
  const auto add = [&](const View& total, const View& part, const Segment& segment) {
    ops::sum_of_squares(stream, total, part.slice(0, segment.begin, segment.end),
                        GradMode::kAccumulate);
  };
  ops::fill_zero(stream, norms_);
  for (size_t b = 0; b < segments_.size(); ++b) {
    for (const Segment& segment : segments_[b]) {
      add(segment.counts_here ? gradient : rest, own(gradients, b), segment);
      add(rest, highest(weights, b), segment);
      add(rest, m_.parts()[b], segment);
      add(rest, v_.parts()[b], segment);
    }
  }
  ops::sum_of_squares(stream, rest, loss, GradMode::kAccumulate);
  world.all_reduce(stream, norms_, comm::ReduceOp::kSum, "gradient norm");
  const Buffer host = to_host(stream, norms_);
  const auto* norms = host.view().data<double>();
  return {norms[0], norms[1]};
}

void AdamW::update(Stream& stream, int bucket, const model::ParameterSet& weights,
                   const model::ParameterSet& gradients, const config::OptimizerConfig& settings,
                   double lr, int64_t step) {
  ops::clip_scale(stream, clip_scale_, norms_.slice(0, 0, 1), settings.clip_norm);
  const auto b = static_cast<size_t>(bucket);
  const View w = own(weights, b), g = own(gradients, b), master = highest(weights, b);
  for (const Segment& segment : segments_[b]) {
    const auto cut = [&](const View& part) { return part.slice(0, segment.begin, segment.end); };
    const ops::AdamWStep update = {.lr = lr,
                                   .beta1 = settings.beta1,
                                   .beta2 = settings.beta2,
                                   .eps = settings.eps,
                                   .weight_decay = segment.decays ? settings.weight_decay : 0,
                                   .step = step};
    ops::adamw_update(stream, cut(w), cut(master), cut(m_.parts()[b]), cut(v_.parts()[b]), cut(g),
                      clip_scale_, update);
  }
}

}  // namespace lckv::train
