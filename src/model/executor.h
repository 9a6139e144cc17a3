#pragma once

#include <functional>

#include "lckv/model/cell.h"
#include "lckv/model/plan_gradients.h"
#include "lckv/model/plan_memory.h"

namespace lckv::model {

/// Walks a plan: every cell forward, the gradient cells backward. Knows no layout: LCKV, Llama,
/// CLA, YOCO are only plans.
class Executor {
 public:
  /// Takes every activation and gradient buffer of the plan from `arena`: the memory of a run is
  /// known before it is allocated.
  Executor(Arena& arena, const config::ModelConfig& config, Plan plan, const Dims& dims,
           DType dtype, config::Recompute recompute, comm::Communicator& tp);

  /// Fills the rotary tables; call once on a real arena.
  void prepare(Stream& stream);

  /// Embedding and all cells. Returns the last layer's output [N_tp, C].
  ///
  ///   tokens     [N]     I32
  ///   first_key  [B, T]  I32, or empty: no document mask
  ConstView forward(Stream& stream, const ParameterSet& weights, ConstView tokens,
                    ConstView first_key);

  /// Gradient of what forward() returned, to be filled before backward(): [N_tp, C] F32 (F64 for
  /// F64 activations).
  View output_grad() const { return value(memory_.output_grad); }

  /// The backward sweep, from the newest forward(). Adds into `gradients`, or overwrites when
  /// `first_write` says so; what the plan never writes is zeroed then. With tied embeddings the
  /// head must have written its part before, so the embedding accumulates. `layer_final` is called
  /// once per layer, as soon as the sweep will not write its gradients any more.
  void backward(Stream& stream, const ParameterSet& weights, const ParameterSet& gradients,
                ConstView tokens, ConstView first_key, ops::GradMode first_write,
                const std::function<void(int layer)>& layer_final);

  const Plan& plan() const { return plan_; }
  const PlanMemory& memory() const { return memory_; }
  const Dims& dims() const { return dims_; }
  const TensorParallel& tensor_parallel() const { return tp_; }

 private:
  CellContext context(Stream& stream, ConstView first_key) const;
  View value(int index) const;
  CellBuffers buffers(int c, bool backward) const;
  CellGradBuffers grad_buffers(int c) const;
  CellGradModes grad_modes(int c, ops::GradMode first_write) const;
  void run_forward(const CellContext& context, int c, const LayerWeights& w) const;
  void recompute(const CellContext& context, int c, const LayerWeights& w) const;
  void run_backward(const CellContext& context, int c, const LayerWeights& w,
                    const LayerWeights& dw, ops::GradMode first_write) const;
  void zero_unwritten(Stream& stream, const ParameterSet& gradients) const;
  void embed(Stream& stream, const ParameterSet& weights, ConstView tokens);
  void embed_backward(Stream& stream, const ParameterSet& gradients, ConstView tokens,
                      ops::GradMode mode);
  int64_t first_token() const { return dims_.V_begin(tp_.group().rank()); }

  Plan plan_;
  Dims dims_;
  TensorParallel tp_;
  DType dtype_;
  double rms_norm_eps_;
  double rope_theta_;
  PlanMemory memory_;
  GradientSchedule schedule_;
  std::vector<std::vector<View>> slots_;  // [kind][slot]
  // read by attention over no keys, when the plan does not skip it
  View zero_kv_;
  View rope_cos_, rope_sin_, positions_;
  View partial_;     // [N, C] act  sums in the making; with sequence parallelism alone
  View whole_grad_;  // [N, C] acc  the embedding's, likewise
};

}  // namespace lckv::model
