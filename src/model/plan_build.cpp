#include <algorithm>

#include "lckv/base/error.h"
#include "lckv/base/text.h"
#include "lckv/model/plan.h"

namespace lckv::model {

std::vector<Segment> split_segments(const std::vector<LayerSpec>& layers) {
  const int count = static_cast<int>(layers.size());
  const auto layer = [&](int i) -> const LayerSpec& { return layers[static_cast<size_t>(i)]; };
  std::vector<Segment> segments;
  for (int i = 0; i < count;) {
    Segment segment{i, i, layer(i).upward};
    if (segment.iterated) {
      // A layer inside may itself read above the top: grow until nothing does.
      for (int j = i; j <= segment.last; ++j) segment.last = std::max(segment.last, layer(j).reads);
    } else {
      while (segment.last + 1 < count && !layer(segment.last + 1).upward) ++segment.last;
    }
    segments.push_back(segment);
    i = segment.last + 1;
  }
  return segments;
}

namespace {

/// Appends one pass over a segment's layers. `newest_kv[j]`: the cell that last wrote K,V of layer
/// j, or kZeroKv.
void append_pass(Plan& plan, const Segment& segment, int pass, int input, bool keeps_grad,
                 const PlanOptions& options, std::vector<int>& newest_kv) {
  int hidden = input;
  for (int i = segment.first; i <= segment.last; ++i) {
    const LayerSpec& layer = plan.layers[static_cast<size_t>(i)];
    const int self = static_cast<int>(plan.cells.size());
    if (layer.has_kv) newest_kv[static_cast<size_t>(i)] = self;
    Cell cell;
    cell.layer = i;
    cell.pass = pass;
    cell.hidden_from = hidden;
    // A higher layer has not been visited in this pass yet: its newest K,V are those of the pass
    // before.
    cell.kv_from = newest_kv[static_cast<size_t>(layer.reads)];
    cell.masks_self = layer.masks_self;
    cell.writes_kv = layer.has_kv;
    cell.runs_block = true;
    cell.runs_attention = cell.kv_from != kZeroKv || !options.skip_zero_attention;
    cell.keeps_grad = keeps_grad;
    cell.query_from = self;
    cell.query_grad_to = self;
    plan.cells.push_back(cell);
    hidden = self;
  }
}

}  // namespace

Plan unroll(const std::vector<LayerSpec>& layers, const std::vector<Segment>& segments, int m,
            int b, const PlanOptions& options) {
  LCKV_CHECK(m >= 0 && b >= 1, format("plan of m = {} and b = {} passes", m, b));
  Plan plan;
  plan.layers = layers;
  plan.segments = segments;
  std::vector<int> newest_kv(layers.size(), kZeroKv);
  for (const Segment& segment : segments) {
    // the same in every pass: only K,V are carried from pass to pass
    const int input = plan.output;
    const int passes = segment.iterated ? m + b : 1;
    for (int pass = 0; pass < passes; ++pass) {
      const bool keeps_grad = options.training && (!segment.iterated || pass >= m);
      append_pass(plan, segment, pass, input, keeps_grad, options, newest_kv);
    }
    plan.output = static_cast<int>(plan.cells.size()) - 1;
  }
  return plan;
}

Plan build_plan(const std::vector<LayerSpec>& layers, int m, int b, const PlanOptions& options) {
  Plan plan = unroll(layers, split_segments(layers), m, b, options);
  if (options.drop_unread) plan = drop_unread(plan, options);
  if (options.reuse_queries) plan = share_queries(plan, options.merge_query_gradients);
  verify(plan);
  return plan;
}

}  // namespace lckv::model
