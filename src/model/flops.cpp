#include "lckv/model/flops.h"

#include <algorithm>

namespace lckv::model {

namespace {

double as_double(int64_t value) { return static_cast<double>(value); }

/// One multiplication of a row [in] by a matrix [out, in].
double row_by_matrix(int64_t in, int64_t out) { return 2 * as_double(in) * as_double(out); }

double queries(const Dims& d) { return row_by_matrix(d.C, d.Cq()); }
double keys_values(const Dims& d) { return row_by_matrix(d.C, 2 * d.Ckv()); }
double output(const Dims& d) { return row_by_matrix(d.Cq(), d.C); }
double mlp(const Dims& d) { return row_by_matrix(d.C, 2 * d.F) + row_by_matrix(d.F, d.C); }

/// Scores and weighted sum of values, over the keys that a query sees.
double attention(const Plan& plan, const Cell& cell, const Dims& d) {
  const LayerSpec& layer = plan.layers[static_cast<size_t>(cell.layer)];
  return 4 * as_double(d.Cq()) * mean_visible_keys(d.T, cell.masks_self, layer.window_tokens);
}

void add_forward(const Plan& plan, int c, const Dims& d, Flops& flops) {
  const Cell& cell = plan.cells[static_cast<size_t>(c)];
  if (cell.writes_kv) flops.projections += keys_values(d);
  if (cell.runs_attention) {
    if (cell.query_from == c) flops.projections += queries(d);
    flops.projections += output(d);
    flops.attention += attention(plan, cell, d);
  }
  if (cell.runs_block) flops.mlp += mlp(d);
}

/// Every matmul has two derivatives of its own size: one for each factor.
void add_backward(const Plan& plan, int c, const Dims& d, Flops& flops) {
  const Cell& cell = plan.cells[static_cast<size_t>(c)];
  if (cell.writes_kv) flops.projections += 2 * keys_values(d);
  if (cell.runs_attention) {
    if (cell.query_grad_to == c) flops.projections += 2 * queries(d);
    flops.projections += 2 * output(d);
    const bool keys_are_constant =
        cell.kv_from == kZeroKv || !plan.cells[static_cast<size_t>(cell.kv_from)].keeps_grad;
    // dP and dQ always, dK and dV where the keys have a gradient.
    flops.attention += (keys_are_constant ? 1 : 2) * attention(plan, cell, d);
  }
  if (cell.runs_block) flops.mlp += 2 * mlp(d);
}

}  // namespace

double mean_visible_keys(int64_t T, bool masks_self, int64_t window_tokens) {
  if (T <= 0) return 0;
  // The query at position i sees min(i, W) earlier tokens.
  const int64_t W = window_tokens > 0 ? std::min(window_tokens, T - 1) : T - 1;
  const double earlier = as_double(W) * as_double(W + 1) / 2 + as_double(T - 1 - W) * as_double(W);
  return earlier / as_double(T) + (masks_self ? 0 : 1);
}

PlanFlops executed_flops(const Plan& plan, const Dims& dims) {
  PlanFlops flops;
  for (int c = 0; c < static_cast<int>(plan.cells.size()); ++c) {
    add_forward(plan, c, dims, flops.forward);
    if (plan.cells[static_cast<size_t>(c)].keeps_grad) add_backward(plan, c, dims, flops.backward);
  }
  flops.forward.head = row_by_matrix(dims.C, dims.V);
  const bool trains =
      plan.output != kEmbedding && plan.cells[static_cast<size_t>(plan.output)].keeps_grad;
  if (trains) flops.backward.head = 2 * flops.forward.head;
  return flops;
}

PlanFlops useful_flops(const Dims& dims) {
  const auto llama = make_layer_specs("", static_cast<int>(dims.L), 0, /*force_nodiag=*/false);
  return executed_flops(build_plan(llama, 0, 1), dims);
}

}  // namespace lckv::model
