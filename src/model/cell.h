#pragma once

#include "lckv/kernels/ops/grad_mode.h"
#include "lckv/model/dims.h"
#include "lckv/model/parameter_set.h"
#include "lckv/model/plan.h"
#include "lckv/model/tensor_parallel.h"
#include "lckv/tensor/stream.h"

namespace lckv::model {

/// What the rotary embedding needs: tables by position, and the position of every row.
struct RopeInput {
  ConstView cos, sin;   // [P, D/2] acc
  ConstView positions;  // [N] I32
};

/// What all cells of a run share.
struct CellContext {
  Stream& stream;
  const Dims& dims;
  const TensorParallel& tp;
  View partial;  // [N, C] act  sums in the making; with sequence parallelism alone
  RopeInput rope;
  ConstView first_key;  // [B, T] I32 with the document mask, else empty
  double rms_norm_eps;
};

/// What one visit reads and fills; spec/lckv.md section 3. Empty where the cell has none.
struct CellBuffers {
  ConstView h;        // [N_tp, C]    input
  View x, rstd1;      // [N, C], [N_tp]  x = rmsnorm(h)
  View q;             // [N, Cq_tp]   rope(x W_Q^T)
  View kv;            // [N, 2*Ckv_tp] rope(x W_K^T) beside x W_V^T
  ConstView kv_read;  // [N, 2*Ckv_tp] the K,V that the queries read, often another cell's
  View attn, lse;     // [N, Cq_tp], [B, Hq_tp, T]
  View y;             // [N_tp, C]    h + attn W_O^T
  ConstView mid;      // [N_tp, C]    y; h itself where the attention output is 0
  View z, rstd2;      // [N, C], [N_tp]  z = rmsnorm(mid)
  View gate_up;       // [N, 2*F_tp]
  View act;           // [N, F_tp]
  View out;           // [N_tp, C]    mid + act W_down^T
};

/// The steps of a visit, in order. Forward runs them all; the backward sweep runs again those whose
/// results were not kept.
void compute_normed(const CellContext& c, const LayerWeights& w, const CellBuffers& t);
void compute_kv(const CellContext& c, const LayerWeights& w, const CellBuffers& t);
void compute_queries(const CellContext& c, const LayerWeights& w, const CellBuffers& t);
void compute_attended(const CellContext& c, const Cell& cell, const LayerSpec& layer,
                      const CellBuffers& t);
void compute_mid(const CellContext& c, const LayerWeights& w, const CellBuffers& t);
void compute_mlp_normed(const CellContext& c, const LayerWeights& w, const CellBuffers& t);
void compute_gate_up(const CellContext& c, const LayerWeights& w, const CellBuffers& t);
void compute_act(const CellContext& c, const CellBuffers& t);
void compute_out(const CellContext& c, const LayerWeights& w, const CellBuffers& t);

/// Modes of a visit's weight gradients: overwrite at the first visit that writes them, then
/// accumulate.
struct CellGradModes {
  ops::GradMode input_norm, query, key_value, output, mlp;
};

/// What the backward visit works in. acc: F32 (F64 for F64 activations); act: the activations'
/// dtype.
struct CellGradBuffers {
  // [N_tp, C]  acc  in: gradient of out; after the MLP half: of y; after the attention half: of h
  View dh;
  View dh_cast;    // [N, C]     act  whole, rounded copy for the matmuls; empty when dh is that
  View dx;         // [N, C]     act  gradient of x, of z
  View dact;       // [N, F_tp]  act
  View dattn, dq;  // [N, Cq_tp] act
  // [N, Cq_tp] acc  sum over visits that share queries; empty when this visit is alone
  View dq_sum;
  View dkv_read;  // [N, 2*Ckv_tp] acc  gradient of kv_read; empty when those are constants
  View dkv;       // [N, 2*Ckv_tp] acc  gradient of kv: all readers, this visit included
  View dkv_cast;  // [N, 2*Ckv_tp] act  rounded copy; empty when act = acc
  ops::GradMode dh_mode = ops::GradMode::kAccumulate;  // K,V-only cells: dh may start here
  ops::GradMode dq_sum_mode = ops::GradMode::kAccumulate;
  ops::GradMode dkv_read_mode = ops::GradMode::kAccumulate;
};

/// out = x W^T + residual over the ranks that hold parts of x and W.
///   out, residual [N_tp, C]     x [N, K_tp]     w [C, K_tp]
void add_projected(const CellContext& c, View out, ConstView x, ConstView w, ConstView residual,
                   const char* label);
/// The gradient of a block's output as its matmuls take it: every row, rounded to act.
ConstView whole_output_grad(const CellContext& c, const CellGradBuffers& g, const char* label);

/// Gradient of out = mid + swiglu(rmsnorm(mid) W_gate_up^T) W_down^T. In: dh of out. After: dh of
/// mid. t.gate_up is overwritten.
void mlp_half_backward(const CellContext& c, const LayerWeights& w, const LayerWeights& dw,
                       const CellBuffers& t, const CellGradBuffers& g, ops::GradMode mode);

/// Gradient of y = h + attend(rope(rmsnorm(h) W_Q^T), K, V) W_O^T and of K, V = rmsnorm(h) W_KV^T.
/// In: dh of y, g.dkv of the other readers. After: dh of h.
void attention_half_backward(const CellContext& c, const Cell& cell, bool turns_queries,
                             const LayerSpec& layer, const LayerWeights& w, const LayerWeights& dw,
                             const CellBuffers& t, const CellGradBuffers& g,
                             const CellGradModes& modes);

}  // namespace lckv::model
