#include "lckv/model/plan_gradients.h"

namespace lckv::model {

bool writes_gradient(const Plan& plan, int c, WeightGroup group) {
  const Cell& cell = plan.cells[static_cast<size_t>(c)];
  if (!cell.keeps_grad) return false;
  const bool turns_queries = cell.runs_attention && cell.query_grad_to == c;
  switch (group) {
    case WeightGroup::kInputNorm:
      return cell.writes_kv || turns_queries;
    case WeightGroup::kQuery:
      return turns_queries;
    case WeightGroup::kKeyValue:
      return cell.writes_kv;
    case WeightGroup::kOutput:
      return cell.runs_attention;
    case WeightGroup::kMlp:
      return cell.runs_block;
    case WeightGroup::kCount:
      break;
  }
  return false;
}

GradientSchedule gradient_schedule(const Plan& plan) {
  GradientSchedule schedule(plan.layers.size());
  for (int c = static_cast<int>(plan.cells.size()) - 1; c >= 0; --c) {
    const auto layer = static_cast<size_t>(plan.cells[static_cast<size_t>(c)].layer);
    for (int g = 0; g < static_cast<int>(WeightGroup::kCount); ++g) {
      if (!writes_gradient(plan, c, static_cast<WeightGroup>(g))) continue;
      GradientWrites& writes = schedule[layer][static_cast<size_t>(g)];
      if (writes.first < 0) writes.first = c;
      writes.last = c;
    }
  }
  return schedule;
}

int final_visit(const LayerGradientWrites& layer) {
  int visit = -1;
  for (const GradientWrites& writes : layer) {
    const bool later = writes.last >= 0 && (visit < 0 || writes.last < visit);
    if (later) visit = writes.last;  // the sweep runs from the last cell to the first
  }
  return visit;
}

}  // namespace lckv::model
