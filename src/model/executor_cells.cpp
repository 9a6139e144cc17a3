#include "lckv/base/error.h"
#include "lckv/base/text.h"
#include "lckv/kernels/ops/copy.h"
#include "lckv/kernels/ops/embedding.h"
#include "lckv/model/executor.h"

namespace lckv::model {

using ops::GradMode;
using K = ValueKind;

void Executor::run_forward(const CellContext& shared, int c, const LayerWeights& w) const {
  const Cell& cell = plan_.cells[static_cast<size_t>(c)];
  const LayerSpec& layer = plan_.layers[static_cast<size_t>(cell.layer)];
  const CellBuffers t = buffers(c, /*backward=*/false);
  const bool owns_queries = cell.runs_attention && cell.query_from == c;
  if (owns_queries || (cell.writes_kv && !cell.runs_attention)) compute_normed(shared, w, t);
  if (cell.writes_kv) compute_kv(shared, w, t);
  if (owns_queries) compute_queries(shared, w, t);
  if (cell.runs_attention) {
    compute_attended(shared, cell, layer, t);
    compute_mid(shared, w, t);
  }
  if (!cell.runs_block) return;
  compute_mlp_normed(shared, w, t);
  compute_gate_up(shared, w, t);
  compute_act(shared, t);
  compute_out(shared, w, t);
}

void Executor::recompute(const CellContext& shared, int c, const LayerWeights& w) const {
  const Cell& cell = plan_.cells[static_cast<size_t>(c)];
  const LayerSpec& layer = plan_.layers[static_cast<size_t>(cell.layer)];
  const CellValues& values = memory_.cells[static_cast<size_t>(c)];
  const CellBuffers t = buffers(c, /*backward=*/true);
  if (values.recomputes(K::kNormed)) compute_normed(shared, w, t);
  if (values.recomputes(K::kQueries)) compute_queries(shared, w, t);
  if (values.recomputes(K::kAttended)) compute_attended(shared, cell, layer, t);
  if (values.recomputes(K::kMid)) compute_mid(shared, w, t);
  if (values.recomputes(K::kMlpNormed)) compute_mlp_normed(shared, w, t);
  if (values.recomputes(K::kGateUp)) compute_gate_up(shared, w, t);
  if (values.recomputes(K::kAct)) compute_act(shared, t);
}

CellGradBuffers Executor::grad_buffers(int c) const {
  const Cell& cell = plan_.cells[static_cast<size_t>(c)];
  const CellValues& values = memory_.cells[static_cast<size_t>(c)];
  const auto index = [&](K kind) { return values.backward[static_cast<size_t>(kind)]; };
  const auto get = [&](K kind) { return value(index(kind)); };
  const auto mode = [&](int value_index) {
    const bool starts =
        value_index >= 0 &&
        starts_at_backward_of(plan_, memory_.values[static_cast<size_t>(value_index)], c);
    return starts ? GradMode::kOverwrite : GradMode::kAccumulate;
  };
  CellGradBuffers g;
  g.dh = get(K::kHiddenGrad);
  g.dh_mode = mode(index(K::kHiddenGrad));
  g.dh_cast = get(K::kGradCast);
  g.dx = get(K::kNormedGrad);
  g.dact = get(K::kActGrad);
  g.dattn = get(K::kAttendedGrad);
  g.dq = get(K::kQueryGrad);
  g.dq_sum = get(K::kQueryGradSum);
  g.dq_sum_mode = mode(index(K::kQueryGradSum));
  g.dkv = get(K::kKvGrad);
  g.dkv_cast = get(K::kKvGradCast);
  if (cell.runs_attention && cell.kv_from != kZeroKv &&
      plan_.cells[static_cast<size_t>(cell.kv_from)].keeps_grad) {
    const int read =
        memory_.cells[static_cast<size_t>(cell.kv_from)].backward[static_cast<size_t>(K::kKvGrad)];
    g.dkv_read = value(read);
    g.dkv_read_mode = mode(read);
  }
  return g;
}

CellGradModes Executor::grad_modes(int c, GradMode first_write) const {
  const auto& layer = schedule_[static_cast<size_t>(plan_.cells[static_cast<size_t>(c)].layer)];
  const auto mode = [&](WeightGroup group) {
    return layer[static_cast<size_t>(group)].first == c ? first_write : GradMode::kAccumulate;
  };
  return {mode(WeightGroup::kInputNorm), mode(WeightGroup::kQuery), mode(WeightGroup::kKeyValue),
          mode(WeightGroup::kOutput), mode(WeightGroup::kMlp)};
}

void Executor::run_backward(const CellContext& shared, int c, const LayerWeights& w,
                            const LayerWeights& dw, GradMode first_write) const {
  const Cell& cell = plan_.cells[static_cast<size_t>(c)];
  const LayerSpec& layer = plan_.layers[static_cast<size_t>(cell.layer)];
  recompute(shared, c, w);
  const CellBuffers t = buffers(c, /*backward=*/true);
  CellGradBuffers g = grad_buffers(c);
  const CellGradModes modes = grad_modes(c, first_write);
  if (cell.runs_block) {
    // a block whose output nothing reads (undropped plans)
    if (g.dh_mode == GradMode::kOverwrite) {
      ops::fill_zero(shared.stream, g.dh);
      g.dh_mode = GradMode::kAccumulate;
    }
    mlp_half_backward(shared, w, dw, t, g, modes.mlp);
  }
  const bool reads_own_kv = cell.runs_attention && cell.kv_from == c;
  if (cell.writes_kv && !reads_own_kv) {
    const Value& dkv = memory_.values[static_cast<size_t>(
        memory_.cells[static_cast<size_t>(c)].backward[static_cast<size_t>(K::kKvGrad)])];
    if (starts_at_backward_of(plan_, dkv, c)) ops::fill_zero(shared.stream, g.dkv);
  }
  attention_half_backward(shared, cell, writes_gradient(plan_, c, WeightGroup::kQuery), layer, w,
                          dw, t, g, modes);
  const View input_grad = value(memory_.cells[static_cast<size_t>(c)].input_grad);
  if (input_grad.raw() != g.dh.raw()) ops::add(shared.stream, input_grad, g.dh);
}

void Executor::backward(Stream& stream, const ParameterSet& weights, const ParameterSet& gradients,
                        ConstView tokens, ConstView first_key, GradMode first_write,
                        const std::function<void(int layer)>& layer_final) {
  const CellContext shared = context(stream, first_key);
  if (first_write == GradMode::kOverwrite) zero_unwritten(stream, gradients);
  for (size_t i = 0; i < schedule_.size(); ++i) {
    if (final_visit(schedule_[i]) < 0) layer_final(static_cast<int>(i));
  }
  for (int c = static_cast<int>(plan_.cells.size()) - 1; c >= 0; --c) {
    const Cell& cell = plan_.cells[static_cast<size_t>(c)];
    if (!cell.keeps_grad) continue;
    run_backward(shared, c, weights.layer(cell.layer), gradients.layer(cell.layer), first_write);
    if (final_visit(schedule_[static_cast<size_t>(cell.layer)]) == c) layer_final(cell.layer);
  }
  const bool tied = gradients.head().raw() == gradients.embedding().raw();
  embed_backward(stream, gradients, tokens, tied ? GradMode::kAccumulate : first_write);
}

void Executor::embed_backward(Stream& stream, const ParameterSet& gradients, ConstView tokens,
                              GradMode mode) {
  View dhidden = value(memory_.embedding_grad);
  if (tp_.sequence_parallel()) {
    ops::copy(stream, tp_.own_rows(whole_grad_), dhidden);
    tp_.gather_rows(stream, whole_grad_, "tp embedding dout");
    dhidden = whole_grad_;
  }
  ops::embedding_backward(stream, gradients.embedding(), dhidden, tokens, mode, first_token());
}

void Executor::zero_unwritten(Stream& stream, const ParameterSet& gradients) const {
  for (size_t i = 0; i < schedule_.size(); ++i) {
    const LayerWeights& dw = gradients.layer(static_cast<int>(i));
    const auto zero = [&](WeightGroup group, std::initializer_list<View> views) {
      if (schedule_[i][static_cast<size_t>(group)].first >= 0) return;
      for (const View& view : views) {
        if (view) ops::fill_zero(stream, view);
      }
    };
    zero(WeightGroup::kInputNorm, {dw.input_norm});
    zero(WeightGroup::kQuery, {dw.query});
    zero(WeightGroup::kKeyValue, {dw.key_value});
    zero(WeightGroup::kOutput, {dw.output});
    zero(WeightGroup::kMlp, {dw.mlp_norm, dw.gate_up, dw.down});
  }
}

}  // namespace lckv::model
