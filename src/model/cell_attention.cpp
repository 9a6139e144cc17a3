#include "lckv/kernels/ops/attention.h"
#include "lckv/kernels/ops/copy.h"
#include "lckv/kernels/ops/matmul.h"
#include "lckv/kernels/ops/rmsnorm.h"
#include "lckv/kernels/ops/rope.h"
#include "lckv/model/cell.h"

namespace lckv::model {

using ops::GradMode;

namespace {

template <class V>
V heads(const V& rows, const Dims& d, int64_t H) {  // [N, H*D] -> [N, H, D]
  return rows.unflatten(1, H, d.D);
}
template <class V>
V sequences(const V& rows, const Dims& d, int64_t H) {  // [N, H*D] -> [B, T, H, D]
  return heads(rows, d, H).unflatten(0, d.B, d.T);
}
template <class V>
V keys(const V& kv, const Dims& d) {  // [N, 2*Ckv_tp] -> [N, Ckv_tp]
  return kv.slice(1, 0, d.Ckv_tp());
}
template <class V>
V values(const V& kv, const Dims& d) {
  return kv.slice(1, d.Ckv_tp(), 2 * d.Ckv_tp());
}

ops::AttentionMask mask_of(const CellContext& c, const Cell& cell, const LayerSpec& layer) {
  ops::AttentionMask mask;
  mask.strict = cell.masks_self;
  mask.window_tokens = layer.window_tokens;
  mask.first_key = c.first_key;
  return mask;
}

}  // namespace

void compute_normed(const CellContext& c, const LayerWeights& w, const CellBuffers& t) {
  ops::rmsnorm_forward(c.stream, c.tp.own_rows(t.x), t.rstd1, t.h, w.input_norm, c.rms_norm_eps);
  c.tp.gather_rows(c.stream, t.x, "tp attention in");
}

void compute_kv(const CellContext& c, const LayerWeights& w, const CellBuffers& t) {
  ops::matmul_forward(c.stream, t.kv, t.x, w.key_value);
  ops::rope_forward(c.stream, heads(keys(t.kv, c.dims), c.dims, c.dims.Hkv_tp()), c.rope.cos,
                    c.rope.sin, c.rope.positions);
}

void compute_queries(const CellContext& c, const LayerWeights& w, const CellBuffers& t) {
  ops::matmul_forward(c.stream, t.q, t.x, w.query);
  ops::rope_forward(c.stream, heads(t.q, c.dims, c.dims.Hq_tp()), c.rope.cos, c.rope.sin,
                    c.rope.positions);
}

void compute_attended(const CellContext& c, const Cell& cell, const LayerSpec& layer,
                      const CellBuffers& t) {
  const Dims& d = c.dims;
  ops::attention_forward(c.stream, sequences(t.attn, d, d.Hq_tp()), t.lse,
                         sequences(t.q, d, d.Hq_tp()), sequences(keys(t.kv_read, d), d, d.Hkv_tp()),
                         sequences(values(t.kv_read, d), d, d.Hkv_tp()), mask_of(c, cell, layer));
}

void compute_mid(const CellContext& c, const LayerWeights& w, const CellBuffers& t) {
  add_projected(c, t.y, t.attn, w.output, t.h, "tp attention out");
}

namespace {

void attended_backward(const CellContext& c, const Cell& cell, const LayerSpec& layer,
                       const LayerWeights& w, const LayerWeights& dw, const CellBuffers& t,
                       const CellGradBuffers& g, GradMode output_mode) {
  const Dims& d = c.dims;
  const ConstView dy = whole_output_grad(c, g, "tp attention dy");
  // y = h + matmul(attn, output)
  ops::matmul_backward_weight(c.stream, dw.output, dy, t.attn, output_mode);
  ops::matmul_backward_input(c.stream, g.dattn, dy, w.output, GradMode::kOverwrite);
  // attn = attention(q, k, v); constants (no-gradient passes) have no dkv_read
  const View dk = g.dkv_read ? sequences(keys(g.dkv_read, d), d, d.Hkv_tp()) : View();
  const View dv = g.dkv_read ? sequences(values(g.dkv_read, d), d, d.Hkv_tp()) : View();
  ops::attention_backward(
      c.stream, sequences(g.dq, d, d.Hq_tp()), dk, dv, sequences(g.dattn, d, d.Hq_tp()),
      sequences(t.attn, d, d.Hq_tp()), t.lse, sequences(t.q, d, d.Hq_tp()),
      sequences(keys(t.kv_read, d), d, d.Hkv_tp()), sequences(values(t.kv_read, d), d, d.Hkv_tp()),
      mask_of(c, cell, layer), g.dkv_read_mode);
}

/// Collects dQ of the visits that share queries; afterwards g.dq holds their sum if this visit
/// turns it into gradients.
void merge_query_gradient(const CellContext& c, bool turns_queries, const CellGradBuffers& g) {
  if (!g.dq_sum) return;
  if (g.dq_sum_mode == GradMode::kOverwrite) {
    ops::copy(c.stream, g.dq_sum, g.dq);
  } else {
    ops::add(c.stream, g.dq_sum, g.dq);
  }
  if (turns_queries) ops::copy(c.stream, g.dq, g.dq_sum);
}

}  // namespace

void attention_half_backward(const CellContext& c, const Cell& cell, bool turns_queries,
                             const LayerSpec& layer, const LayerWeights& w, const LayerWeights& dw,
                             const CellBuffers& t, const CellGradBuffers& g,
                             const CellGradModes& modes) {
  const Dims& d = c.dims;
  if (cell.runs_attention) {
    attended_backward(c, cell, layer, w, dw, t, g, modes.output);
    merge_query_gradient(c, turns_queries, g);
  }
  GradMode dx_mode = GradMode::kOverwrite;
  if (cell.writes_kv) {
    // k, v = rope(matmul(x, key)), matmul(x, value)
    if (g.dkv_cast) ops::copy(c.stream, g.dkv_cast, g.dkv);
    const View dkv = g.dkv_cast ? g.dkv_cast : g.dkv;
    ops::rope_backward(c.stream, heads(keys(dkv, d), d, d.Hkv_tp()), c.rope.cos, c.rope.sin,
                       c.rope.positions);
    ops::matmul_backward_weight(c.stream, dw.key_value, dkv, t.x, modes.key_value);
    ops::matmul_backward_input(c.stream, g.dx, dkv, w.key_value, dx_mode);
    dx_mode = GradMode::kAccumulate;
  }
  if (turns_queries) {
    // q = rope(matmul(x, query))
    ops::rope_backward(c.stream, heads(g.dq, d, d.Hq_tp()), c.rope.cos, c.rope.sin,
                       c.rope.positions);
    ops::matmul_backward_weight(c.stream, dw.query, g.dq, t.x, modes.query);
    ops::matmul_backward_input(c.stream, g.dx, g.dq, w.query, dx_mode);
    dx_mode = GradMode::kAccumulate;
  }
  // x was not read: h passes its gradient on unchanged
  if (dx_mode == GradMode::kOverwrite) return;
  // x was read by every rank: its gradient is the sum of theirs
  c.tp.sum_partials(c.stream, g.dx, "tp attention dx");
  // x = rmsnorm(h); the residual's gradient is in dh already
  ops::rmsnorm_backward(c.stream, g.dh, dw.input_norm, c.tp.own_rows(g.dx), t.h, t.rstd1,
                        w.input_norm, g.dh_mode, modes.input_norm);
}

}  // namespace lckv::model
