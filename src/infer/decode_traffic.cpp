#include "lckv/infer/decode_traffic.h"

#include <algorithm>

#include "lckv/infer/visible_keys.h"

namespace lckv::infer {

namespace {

/// Weights that a visit reads: norms, projections, MLP.
int64_t weight_elems(const model::Cell& cell, const model::Dims& d) {
  int64_t elems = 0;
  if (cell.runs_attention || cell.writes_kv) elems += d.C;
  if (cell.runs_attention) elems += 2 * d.C * d.Cq_tp();
  if (cell.writes_kv) elems += 2 * d.Ckv_tp() * d.C;
  if (cell.runs_block) elems += d.C + 3 * d.F_tp() * d.C;
  return elems;
}

/// Keys that the queries of a visit see, each counted as often as it must be read.
int64_t keys_read(const model::Plan& plan, const model::Cell& cell, const SinkWindow& streaming,
                  const DecodeContext& context) {
  if (!cell.runs_attention) return 0;
  const KeyRule rule{cell.masks_self, plan.layers[static_cast<size_t>(cell.layer)].window_tokens,
                     cell.kv_from == model::kZeroKv};
  const int64_t cached = context.cached_tokens, shared = context.shared_tokens;
  const VisibleKeys keys = visible_keys(rule, streaming, cached, cached);
  const auto read = [&](int64_t begin, int64_t end) {
    if (begin >= end) return int64_t{0};
    const int64_t in_common = std::clamp<int64_t>(shared - begin, 0, end - begin);
    return in_common + context.sequences * (end - begin - in_common);
  };
  return read(0, keys.sink_end) + read(keys.begin, keys.end);
}

}  // namespace

DecodeTraffic decode_traffic(const model::Plan& plan, const model::Dims& dims, DType dtype,
                             const SinkWindow& streaming, const DecodeContext& context) {
  int64_t weights = context.sequences * dims.C + dims.C + dims.V_tp() * dims.C, keys = 0;
  for (const model::Cell& cell : plan.cells) {
    weights += weight_elems(cell, dims);
    keys += keys_read(plan, cell, streaming, context);
  }
  return {weights * size_bytes(dtype), keys * 2 * dims.Ckv_tp() * size_bytes(dtype)};
}

}  // namespace lckv::infer
