#pragma once

#include <vector>

#include "lckv/config/train.h"
#include "lckv/model/plan.h"

namespace lckv::model {

/// Every buffer that a cell fills, forward or backward. dtype act: the activations' dtype; acc:
/// accumulator(act).
enum class ValueKind : int {
  kHidden,        // out    [N, C]     act   the cell's output, the next cell's input
  kKv,            // kv     [N, 2*Ckv] act   K (rotated) beside V
  kNormed,        // x      [N, C]     act   input norm
  kNormedRstd,    // rstd1  [N]        acc
  kQueries,       // q      [N, Cq]    act   rotated
  kAttended,      // attn   [N, Cq]    act
  kLse,           // lse    [B, Hq, T] acc
  kMid,           // y      [N, C]     act   after the attention residual
  kMlpNormed,     // z      [N, C]     act
  kMlpRstd,       // rstd2  [N]        acc
  kGateUp,        // gate_up [N, 2F]   act
  kAct,           // act    [N, F]     act
  kHiddenGrad,    // dout, then dh in place [N, C] acc: the gradient of the residual stream
  kKvGrad,        // dkv    [N, 2*Ckv] acc   summed over readers
  kQueryGradSum,  // dq     [N, Cq]    acc   summed over visits that share queries
  kGradCast,      // dout rounded to act [N, C]; only when act differs from acc
  kKvGradCast,    // dkv rounded to act [N, 2*Ckv]; likewise
  kNormedGrad,    // dx, dz [N, C]     act
  kQueryGrad,     // dq     [N, Cq]    act
  kAttendedGrad,  // dattn  [N, Cq]    act
  kActGrad,       // dact   [N, F]     act
  kCount
};

/// One buffer's life. Time: cell c runs forward at c, the head at n = cells, cell c backward at 2n
/// - c.
struct Value {
  ValueKind kind;
  int cell = 0;  // who fills it first; kEmbedding for the embedding's output and gradient
  int born = 0;
  int dies = 0;   // last time it is read
  int slot = -1;  // among the slots of its kind
};

/// What one cell's forward and backward use: indices into PlanMemory::values, -1 where there is
/// nothing.
struct CellValues {
  std::vector<int> forward = std::vector<int>(static_cast<size_t>(ValueKind::kCount), -1);
  std::vector<int> backward = std::vector<int>(static_cast<size_t>(ValueKind::kCount), -1);
  /// Holds the gradient of the cell's input afterwards; often the same buffer as
  /// backward[kHiddenGrad].
  int input_grad = -1;

  /// Members that the backward sweep computes again, because the forward copy is gone.
  bool recomputes(ValueKind kind) const {
    const auto k = static_cast<size_t>(kind);
    return backward[k] >= 0 && backward[k] != forward[k];
  }
};

struct PlanMemory {
  std::vector<Value> values;
  std::vector<CellValues> cells;
  int embedding_hidden = -1;  // value of the embedding's output
  int embedding_grad = -1;    // value of its gradient; -1 without training
  int output_grad = -1;       // value the head writes: d(output hidden)
  // how many of each kind
  std::vector<int> slots = std::vector<int>(static_cast<size_t>(ValueKind::kCount), 0);
};

/// Whether the first write into a value happens at this cell's backward visit: it is overwritten
/// there (or zeroed when the visit only reads it), and added to at every later one.
bool starts_at_backward_of(const Plan& plan, const Value& value, int cell);

/// Lifetimes and slots of every buffer of a plan, a pure function of the plan and the recompute
/// level:
///   none   everything the backward sweep reads is kept
///   cheap  norms and SwiGLU outputs are computed again
///   block  only hidden outputs and K,V are kept
/// `separate_cast`: act differs from acc, so gradients need rounded copies.
PlanMemory plan_memory(const Plan& plan, config::Recompute recompute, bool separate_cast);

}  // namespace lckv::model
