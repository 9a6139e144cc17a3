#include "lckv/kernels/ops/copy.h"
#include "lckv/kernels/ops/matmul.h"
#include "lckv/kernels/ops/rmsnorm.h"
#include "lckv/kernels/ops/swiglu.h"
#include "lckv/model/cell.h"

namespace lckv::model {

using ops::GradMode;

void compute_mlp_normed(const CellContext& c, const LayerWeights& w, const CellBuffers& t) {
  ops::rmsnorm_forward(c.stream, c.tp.own_rows(t.z), t.rstd2, t.mid, w.mlp_norm, c.rms_norm_eps);
  c.tp.gather_rows(c.stream, t.z, "tp mlp in");
}

void compute_gate_up(const CellContext& c, const LayerWeights& w, const CellBuffers& t) {
  ops::matmul_forward(c.stream, t.gate_up, t.z, w.gate_up);
}

void compute_act(const CellContext& c, const CellBuffers& t) {
  ops::swiglu_forward(c.stream, t.act, t.gate_up);
}

void compute_out(const CellContext& c, const LayerWeights& w, const CellBuffers& t) {
  add_projected(c, t.out, t.act, w.down, t.mid, "tp mlp out");
}

void mlp_half_backward(const CellContext& c, const LayerWeights& w, const LayerWeights& dw,
                       const CellBuffers& t, const CellGradBuffers& g, GradMode mode) {
  const ConstView dout = whole_output_grad(c, g, "tp mlp dout");
  const View dgate_up = t.gate_up;  // in place: nothing reads gate_up after swiglu_backward

  // out = mid + matmul(act, down)
  ops::matmul_backward_weight(c.stream, dw.down, dout, t.act, mode);
  ops::matmul_backward_input(c.stream, g.dact, dout, w.down, GradMode::kOverwrite);
  // act = swiglu(gate_up)
  ops::swiglu_backward(c.stream, dgate_up, g.dact, t.gate_up);
  // gate_up = matmul(z, gate_up)
  ops::matmul_backward_weight(c.stream, dw.gate_up, dgate_up, t.z, mode);
  ops::matmul_backward_input(c.stream, g.dx, dgate_up, w.gate_up, GradMode::kOverwrite);
  // z was read by every rank: its gradient is the sum of theirs
  c.tp.sum_partials(c.stream, g.dx, "tp mlp dx");
  // z = rmsnorm(mid); the residual's gradient is in dh already
  ops::rmsnorm_backward(c.stream, g.dh, dw.mlp_norm, c.tp.own_rows(g.dx), t.mid, t.rstd2,
                        w.mlp_norm, GradMode::kAccumulate, mode);
}

}  // namespace lckv::model
