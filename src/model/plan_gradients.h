#pragma once

#include <array>
#include <vector>

#include "lckv/model/plan.h"

namespace lckv::model {

/// Weights of one layer whose gradients are written together.
enum class WeightGroup : int { kInputNorm, kQuery, kKeyValue, kOutput, kMlp, kCount };

/// Where the backward sweep writes the gradient of one layer's weight group; cells are visited from
/// the last to the first.
struct GradientWrites {
  int first = -1;  // the visit that overwrites; -1: nothing writes it, the gradient is exactly 0
  int last = -1;   // the visit after which it is final: its reduction may start
};

/// By layer, by group: overwrite-or-accumulate of every gradient write, and when each gradient is
/// final.
using LayerGradientWrites = std::array<GradientWrites, static_cast<size_t>(WeightGroup::kCount)>;
using GradientSchedule = std::vector<LayerGradientWrites>;

/// Whether the backward visit of `cells[c]` writes the gradient of its layer's `group`.
bool writes_gradient(const Plan& plan, int c, WeightGroup group);

GradientSchedule gradient_schedule(const Plan& plan);

/// The visit after which all gradients of a layer are final; -1: nothing ever writes them.
int final_visit(const LayerGradientWrites& layer);

}  // namespace lckv::model
