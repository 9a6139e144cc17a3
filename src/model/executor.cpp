#include "lckv/model/executor.h"

#include <algorithm>

#include "lckv/base/error.h"
#include "lckv/base/text.h"
#include "lckv/kernels/ops/copy.h"
#include "lckv/kernels/ops/embedding.h"
#include "lckv/kernels/ops/rope.h"
#include "lckv/tensor/transfer.h"

namespace lckv::model {

using ops::GradMode;

namespace {

using K = ValueKind;

struct Extent {
  const char* name;
  Shape shape;
  bool accumulator;
};

Extent extent_of(K kind, const Dims& d) {
  switch (kind) {
    case K::kHidden:
      return {"hidden", {d.N_tp(), d.C}, false};
    case K::kKv:
      return {"kv", {d.N(), 2 * d.Ckv_tp()}, false};
    case K::kNormed:
      return {"x", {d.N(), d.C}, false};
    case K::kNormedRstd:
      return {"rstd1", {d.N_tp()}, true};
    case K::kQueries:
      return {"q", {d.N(), d.Cq_tp()}, false};
    case K::kAttended:
      return {"attn", {d.N(), d.Cq_tp()}, false};
    case K::kLse:
      return {"lse", {d.B, d.Hq_tp(), d.T}, true};
    case K::kMid:
      return {"y", {d.N_tp(), d.C}, false};
    case K::kMlpNormed:
      return {"z", {d.N(), d.C}, false};
    case K::kMlpRstd:
      return {"rstd2", {d.N_tp()}, true};
    case K::kGateUp:
      return {"gate_up", {d.N(), 2 * d.F_tp()}, false};
    case K::kAct:
      return {"act", {d.N(), d.F_tp()}, false};
    case K::kHiddenGrad:
      return {"dh", {d.N_tp(), d.C}, true};
    case K::kKvGrad:
      return {"dkv", {d.N(), 2 * d.Ckv_tp()}, true};
    case K::kQueryGradSum:
      return {"dq_sum", {d.N(), d.Cq_tp()}, true};
    case K::kGradCast:
      return {"dh_cast", {d.N(), d.C}, false};
    case K::kKvGradCast:
      return {"dkv_cast", {d.N(), 2 * d.Ckv_tp()}, false};
    case K::kNormedGrad:
      return {"dx", {d.N(), d.C}, false};
    case K::kQueryGrad:
      return {"dq", {d.N(), d.Cq_tp()}, false};
    case K::kAttendedGrad:
      return {"dattn", {d.N(), d.Cq_tp()}, false};
    case K::kActGrad:
      return {"dact", {d.N(), d.F_tp()}, false};
    case K::kCount:
      break;
  }
  throw InternalError("unknown value kind");
}

}  // namespace

Executor::Executor(Arena& arena, const config::ModelConfig& config, Plan plan, const Dims& dims,
                   DType dtype, config::Recompute recompute, comm::Communicator& tp)
    : plan_(std::move(plan)),
      dims_(dims),
      tp_(tp, dims),
      dtype_(dtype),
      rms_norm_eps_(config.rms_norm_eps),
      rope_theta_(config.rope_theta),
      memory_(
          plan_memory(plan_, recompute,
                      /*separate_cast=*/accumulator(dtype) != dtype || tp_.sequence_parallel())),
      schedule_(gradient_schedule(plan_)) {
  slots_.resize(static_cast<size_t>(K::kCount));
  for (size_t kind = 0; kind < slots_.size(); ++kind) {
    const Extent extent = extent_of(static_cast<K>(kind), dims_);
    for (int slot = 0; slot < memory_.slots[kind]; ++slot) {
      slots_[kind].push_back(arena.take("activations", format("{}.{}", extent.name, slot),
                                        extent.accumulator ? accumulator(dtype) : dtype,
                                        extent.shape));
    }
  }
  const bool attends_to_nothing =
      std::any_of(plan_.cells.begin(), plan_.cells.end(),
                  [](const Cell& cell) { return cell.runs_attention && cell.kv_from == kZeroKv; });
  if (attends_to_nothing) {
    zero_kv_ = arena.take("activations", "zero_kv", dtype, {dims_.N(), 2 * dims_.Ckv_tp()});
  }
  rope_cos_ = arena.take("tables", "rope.cos", accumulator(dtype), {dims_.T, dims_.D / 2});
  rope_sin_ = arena.take("tables", "rope.sin", accumulator(dtype), {dims_.T, dims_.D / 2});
  positions_ = arena.take("tables", "positions", DType::kI32, {dims_.N()});
  if (!tp_.sequence_parallel()) return;
  partial_ = arena.take("activations", "partial", dtype, {dims_.N(), dims_.C});
  if (memory_.embedding_grad < 0) return;
  whole_grad_ = arena.take("activations", "whole_grad", accumulator(dtype), {dims_.N(), dims_.C});
}

void Executor::prepare(Stream& stream) {
  ops::rope_tables(stream, rope_cos_, rope_sin_, rope_theta_);
  const Buffer positions(DType::kI32, positions_.shape());
  auto* position = positions.view().data<int32_t>();
  for (int64_t n = 0; n < dims_.N(); ++n) position[n] = static_cast<int32_t>(n % dims_.T);
  transfer(stream, positions_, positions.view());
  stream.synchronize();
}

View Executor::value(int index) const {
  if (index < 0) return {};
  const Value& value = memory_.values[static_cast<size_t>(index)];
  return slots_[static_cast<size_t>(value.kind)][static_cast<size_t>(value.slot)];
}

CellContext Executor::context(Stream& stream, ConstView first_key) const {
  return {stream,    dims_,        tp_, partial_, {rope_cos_, rope_sin_, positions_},
          first_key, rms_norm_eps_};
}

CellBuffers Executor::buffers(int c, bool backward) const {
  const Cell& cell = plan_.cells[static_cast<size_t>(c)];
  const CellValues& values = memory_.cells[static_cast<size_t>(c)];
  const auto& kinds = backward ? values.backward : values.forward;
  const auto get = [&](K kind) { return value(kinds[static_cast<size_t>(kind)]); };
  CellBuffers t;
  t.h = cell.hidden_from == kEmbedding ? value(memory_.embedding_hidden)
                                       : value(memory_.cells[static_cast<size_t>(cell.hidden_from)]
                                                   .forward[static_cast<size_t>(K::kHidden)]);
  t.x = get(K::kNormed);
  t.rstd1 = get(K::kNormedRstd);
  t.q = get(K::kQueries);
  t.kv = value(values.forward[static_cast<size_t>(K::kKv)]);
  if (cell.runs_attention) {
    t.kv_read = cell.kv_from == kZeroKv ? zero_kv_
                                        : value(memory_.cells[static_cast<size_t>(cell.kv_from)]
                                                    .forward[static_cast<size_t>(K::kKv)]);
  }
  t.attn = get(K::kAttended);
  t.lse = get(K::kLse);
  t.y = get(K::kMid);
  t.mid = cell.runs_attention ? t.y : t.h;
  t.z = get(K::kMlpNormed);
  t.rstd2 = get(K::kMlpRstd);
  t.gate_up = get(K::kGateUp);
  t.act = get(K::kAct);
  t.out = value(values.forward[static_cast<size_t>(K::kHidden)]);
  return t;
}

void Executor::embed(Stream& stream, const ParameterSet& weights, ConstView tokens) {
  const View hidden = value(memory_.embedding_hidden);
  const View rows = tp_.sequence_parallel() ? partial_ : hidden;
  ops::embedding_forward(stream, rows, weights.embedding(), tokens, first_token());
  tp_.sum_partials(stream, rows, "tp embedding");
  if (tp_.sequence_parallel()) ops::copy(stream, hidden, tp_.own_rows(rows));
}

ConstView Executor::forward(Stream& stream, const ParameterSet& weights, ConstView tokens,
                            ConstView first_key) {
  embed(stream, weights, tokens);
  const CellContext shared = context(stream, first_key);
  for (int c = 0; c < static_cast<int>(plan_.cells.size()); ++c) {
    run_forward(shared, c, weights.layer(plan_.cells[static_cast<size_t>(c)].layer));
  }
  return plan_.output == kEmbedding ? value(memory_.embedding_hidden)
                                    : value(memory_.cells[static_cast<size_t>(plan_.output)]
                                                .forward[static_cast<size_t>(K::kHidden)]);
}

}  // namespace lckv::model
