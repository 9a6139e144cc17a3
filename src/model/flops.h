#pragma once

#include "lckv/model/dims.h"
#include "lckv/model/plan.h"

namespace lckv::model {

/// Floating point operations (multiply-add = 2) per trained or scored token, counted from a plan's
/// live cells: matmuls and attention, the visible query-key pairs exactly. spec/lckv.md section 11.
struct Flops {
  double projections = 0;  // q, k, v, o
  double attention = 0;
  double mlp = 0;
  double head = 0;
  double total() const { return projections + attention + mlp + head; }
};

struct PlanFlops {
  Flops forward;
  Flops backward;  // recomputation is not counted
  double total() const { return forward.total() + backward.total(); }
};

/// What this plan executes, per token.
PlanFlops executed_flops(const Plan& plan, const Dims& dims);

/// What a plain Llama of the same shape executes per trained token: the useful part, whatever the
/// layout needs.
PlanFlops useful_flops(const Dims& dims);

/// Mean number of keys that a query sees over T positions: (T+1)/2 causal, (T-1)/2 strict, fewer
/// with a window.
double mean_visible_keys(int64_t T, bool masks_self, int64_t window_tokens);

}  // namespace lckv::model
