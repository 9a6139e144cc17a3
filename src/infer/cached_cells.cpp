#include <algorithm>

#include "lckv/base/error.h"
#include "lckv/infer/cached_model.h"
#include "lckv/kernels/ops/copy.h"
#include "lckv/kernels/ops/paged_attention.h"

namespace lckv::infer {

using model::Cell;
using model::CellBuffers;
using model::CellContext;
using model::kEmbedding;
using model::LayerWeights;
using model::Plan;

bool CachedModel::is_narrow(const Plan& plan, int c) const {
  return batch_.selects && c != kEmbedding && plan.cells[static_cast<size_t>(c)].selects_rows;
}

size_t CachedModel::rule_of(const Cell& cell) const {
  const KeyRule rule{cell.masks_self, layers_[static_cast<size_t>(cell.layer)].window_tokens,
                     cell.kv_from == model::kZeroKv};
  const auto found = std::find(rules_.begin(), rules_.end(), rule);
  LCKV_CHECK(found != rules_.end(), "a mask that no layer of this model has");
  return static_cast<size_t>(found - rules_.begin());
}

CellContext CachedModel::context(Stream& stream, bool narrow, bool for_sinks) const {
  const RowNumbers& rows = narrow ? batch_.selected : batch_.all;
  return {stream,
          dims_,
          tp_,
          {},
          {rope_cos_, rope_sin_, for_sinks ? rows.sink_positions : rows.positions},
          {},
          rms_norm_eps_};
}

View CachedModel::selected(Stream& stream, View to, ConstView rows) const {
  const View result = to.slice(0, 0, batch_.wanted.numel());
  ops::copy_numbered_rows(stream, result, batch_.wanted_order, rows, batch_.wanted);
  return result;
}

/// K,V of all new tokens, into their places in the cache.
void CachedModel::compute_kv(Stream& stream, const Cell& cell, const LayerWeights& w,
                             const CellBuffers& t) {
  model::compute_kv(context(stream, false, false), w, t);
  const ConstView& slots = batch_.slots[static_cast<size_t>(cache_.table_of(cell.layer))];
  const View rows = cache_.rows(cell.layer);
  if (watch_.is_on() && watch_.watches(cell.layer)) {
    watch_.computed(stream, cell.layer, pass_, t.kv, {rows, slots, batch_.row_order});
  }
  ops::copy_numbered_rows(stream, rows, slots, t.kv, batch_.row_order);
}

void CachedModel::attend(Stream& stream, const Cell& cell, bool narrow, const CellBuffers& t,
                         ConstView q_sinks) {
  const int reads = layers_[static_cast<size_t>(cell.layer)].reads;
  const RowNumbers& rows = narrow ? batch_.selected : batch_.all;
  const RuleNumbers& rule = rows.rules[rule_of(cell)];
  const auto heads = [&](const auto& view) { return view.unflatten(1, dims_.Hq_tp(), dims_.D); };
  ops::paged_attention_forward(stream, heads(t.attn), heads(t.q),
                               q_sinks ? heads(q_sinks) : ConstView(), cache_.keys(reads),
                               cache_.values(reads),
                               {pages_[static_cast<size_t>(cache_.table_of(reads))].device,
                                rows.sequence, rule.begin, rule.end, rule.sink_end});
}

/// The rotated queries of a cell: computed from t.x, or those of an earlier visit with the same
/// input.
View CachedModel::queries(Stream& stream, const Plan& plan, int c, const LayerWeights& w,
                          CellBuffers t, View own, View kept, bool for_sinks) {
  const Cell& cell = plan.cells[static_cast<size_t>(c)];
  const bool narrow = is_narrow(plan, c);
  const int64_t rows = narrow ? wanted_rows() : batch_.rows;
  const bool is_shared = queries_shared_[static_cast<size_t>(cell.query_from)];
  if (cell.query_from == c) {
    t.q = (is_shared ? kept : own).slice(0, 0, rows);
    model::compute_queries(context(stream, narrow, for_sinks), w, t);
    return t.q;
  }
  const bool kept_all = narrow && !is_narrow(plan, cell.query_from);
  return kept_all ? selected(stream, own, kept.slice(0, 0, batch_.rows)) : kept.slice(0, 0, rows);
}

/// Norm, K,V and the choice of rows: afterwards t.h and t.x are the block's input.
void CachedModel::run_input(Stream& stream, const Plan& plan, int c, const LayerWeights& w,
                            CellBuffers& t) {
  const Cell& cell = plan.cells[static_cast<size_t>(c)];
  const bool narrow = is_narrow(plan, c);
  const bool selects = narrow && !is_narrow(plan, cell.hidden_from);
  const bool owns_queries = cell.runs_attention && cell.query_from == c;
  if (selects && !cell.writes_kv) t.h = selected(stream, selected_hidden_, t.h);
  if (!owns_queries && !cell.writes_kv) return;
  t.x = x_.slice(0, 0, t.h.dim(0));
  t.rstd1 = rstd_.slice(0, 0, t.h.dim(0));
  model::compute_normed(context(stream, narrow, false), w, t);
  if (!cell.writes_kv) return;
  t.kv = kv_.slice(0, 0, batch_.rows);
  compute_kv(stream, cell, w, t);
  if (!selects || wanted_rows() == 0) return;
  t.h = selected(stream, selected_hidden_, t.h);
  if (owns_queries) t.x = selected(stream, selected_normed_, t.x);
}

void CachedModel::run_attention(Stream& stream, const Plan& plan, int c, const LayerWeights& w,
                                CellBuffers& t) {
  const Cell& cell = plan.cells[static_cast<size_t>(c)];
  const ConstView q_sinks =
      q_sinks_ ? queries(stream, plan, c, w, t, q_sinks_, q_sinks_kept_, true) : View();
  t.q = queries(stream, plan, c, w, t, q_, q_kept_, false);
  t.attn = attn_.slice(0, 0, t.q.dim(0));
  attend(stream, cell, is_narrow(plan, c), t, q_sinks);
  t.y = y_.slice(0, 0, t.q.dim(0));
  model::compute_mid(context(stream, is_narrow(plan, c), false), w, t);
  t.mid = t.y;
}

void CachedModel::run_cell(Stream& stream, const Plan& plan, int c, const LayerWeights& w) {
  const Cell& cell = plan.cells[static_cast<size_t>(c)];
  const bool narrow = is_narrow(plan, c);
  const bool asked_for = !narrow || wanted_rows() > 0;
  if (!asked_for && !cell.writes_kv) return;
  const int input =
      cell.hidden_from == kEmbedding ? 0 : output_slot_[static_cast<size_t>(cell.hidden_from)];
  CellBuffers t;
  t.h = hidden_[static_cast<size_t>(input)].slice(
      0, 0, is_narrow(plan, cell.hidden_from) ? wanted_rows() : batch_.rows);
  run_input(stream, plan, c, w, t);
  if (!cell.runs_block || !asked_for) return;
  t.mid = t.h;
  if (cell.runs_attention) run_attention(stream, plan, c, w, t);
  const int64_t rows = t.mid.dim(0);
  t.z = x_.slice(0, 0, rows);
  t.rstd2 = rstd_.slice(0, 0, rows);
  t.gate_up = gate_up_.slice(0, 0, rows);
  t.act = act_.slice(0, 0, rows);
  t.out = hidden_[static_cast<size_t>(output_slot_[static_cast<size_t>(c)])].slice(0, 0, rows);
  const CellContext here = context(stream, narrow, false);
  model::compute_mlp_normed(here, w, t);
  model::compute_gate_up(here, w, t);
  model::compute_act(here, t);
  model::compute_out(here, w, t);
}

}  // namespace lckv::infer
