#include "lckv/model/plan_memory.h"

#include <algorithm>

#include "lckv/base/error.h"
#include "lckv/base/text.h"

namespace lckv::model {

namespace {

using config::Recompute;
using K = ValueKind;

class Planner {
 public:
  Planner(const Plan& plan, Recompute recompute, bool separate_cast)
      : plan_(plan), recompute_(recompute), separate_cast_(separate_cast) {
    memory_.cells.resize(plan.cells.size());
  }

  PlanMemory build() {
    memory_.embedding_hidden = add(K::kHidden, kEmbedding, -1);
    for (int c = 0; c < count(); ++c) forward_cell(c);
    touch(hidden_of(plan_.output), count());
    start_backward();
    for (int c = count() - 1; c >= 0; --c) {
      if (cell(c).keeps_grad) backward_cell(c);
    }
    assign_slots();
    return std::move(memory_);
  }

 private:
  int count() const { return static_cast<int>(plan_.cells.size()); }
  const Cell& cell(int c) const { return plan_.cells[static_cast<size_t>(c)]; }
  int backward_time(int c) const { return 2 * count() - c; }
  int& forward(int c, K kind) {
    return memory_.cells[static_cast<size_t>(c)].forward[static_cast<size_t>(kind)];
  }
  int& backward(int c, K kind) {
    return memory_.cells[static_cast<size_t>(c)].backward[static_cast<size_t>(kind)];
  }
  int hidden_of(int c) {
    return c == kEmbedding ? memory_.embedding_hidden : forward(c, K::kHidden);
  }

  int add(K kind, int c, int time) {
    memory_.values.push_back({kind, c, time, time});
    return static_cast<int>(memory_.values.size()) - 1;
  }
  void touch(int value, int time) {
    int& dies = memory_.values[static_cast<size_t>(value)].dies;
    dies = std::max(dies, time);
  }

  void forward_cell(int c) {
    const Cell& self = cell(c);
    const bool shares_queries = self.runs_attention && self.query_from != c;
    touch(hidden_of(self.hidden_from), c);
    for (const K kind : {K::kNormed, K::kNormedRstd, K::kQueries}) {
      const bool needed = self.runs_attention || (self.writes_kv && kind != K::kQueries);
      if (!needed) continue;
      forward(c, kind) = shares_queries ? forward(self.query_from, kind) : add(kind, c, c);
      // A visit that shares queries reads x again only for its own K,V.
      const bool reads = kind == K::kQueries || (kind == K::kNormed && self.writes_kv);
      if (!shares_queries || reads) touch(forward(c, kind), c);
    }
    if (self.writes_kv) forward(c, K::kKv) = add(K::kKv, c, c);
    if (self.runs_attention) {
      if (self.kv_from != kZeroKv) touch(forward(self.kv_from, K::kKv), c);
      forward(c, K::kAttended) = add(K::kAttended, c, c);
      forward(c, K::kLse) = add(K::kLse, c, c);
      forward(c, K::kMid) = add(K::kMid, c, c);
    }
    if (!self.runs_block) return;
    for (const K kind : {K::kMlpNormed, K::kMlpRstd, K::kGateUp, K::kAct, K::kHidden}) {
      forward(c, kind) = add(kind, c, c);
    }
  }

  bool is_kept(K kind) const {
    switch (kind) {
      case K::kNormed:
      case K::kMlpNormed:
      case K::kAct:
        return recompute_ == Recompute::kNone;
      default:
        return recompute_ != Recompute::kBlock;
    }
  }

  /// The saved value of a cell at its backward visit: the forward one, kept alive, or one computed
  /// again.
  void need(int c, K kind) {
    if (is_kept(kind)) {
      backward(c, kind) = forward(c, kind);
      touch(forward(c, kind), backward_time(c));
    } else {
      backward(c, kind) = add(kind, c, backward_time(c));
    }
  }

  void start_backward() {
    grad_of_.assign(plan_.cells.size() + 1, -1);
    if (plan_.output == kEmbedding || !cell(plan_.output).keeps_grad) return;
    memory_.output_grad = add(K::kHiddenGrad, plan_.output, count());
    grad_of(plan_.output) = memory_.output_grad;
  }
  int& grad_of(int c) { return grad_of_[static_cast<size_t>(c + 1)]; }

  void temporary(int c, K kind) { backward(c, kind) = add(kind, c, backward_time(c)); }

  void backward_cell(int c) {
    const Cell& self = cell(c);
    const int now = backward_time(c);
    touch(hidden_of(self.hidden_from), now);
    backward(c, K::kHidden) = hidden_of(self.hidden_from);
    if (self.runs_attention || self.writes_kv) {
      need(c, K::kNormed);
      need(c, K::kNormedRstd);
      temporary(c, K::kNormedGrad);
    }
    if (self.runs_attention) backward_attention(c);
    if (self.writes_kv) {
      if (backward(c, K::kKvGrad) < 0) temporary(c, K::kKvGrad);  // nobody's gradient: zeros
      touch(backward(c, K::kKvGrad), now);
      if (separate_cast_) temporary(c, K::kKvGradCast);
    }
    if (self.runs_block) {
      for (const K kind : {K::kMlpNormed, K::kMlpRstd, K::kGateUp, K::kAct}) need(c, kind);
      if (backward(c, K::kNormedGrad) < 0) temporary(c, K::kNormedGrad);
      temporary(c, K::kActGrad);
      if (separate_cast_) temporary(c, K::kGradCast);
    }
    pass_gradient_down(c);
  }

  void backward_attention(int c) {
    const Cell& self = cell(c);
    const int now = backward_time(c);
    for (const K kind : {K::kQueries, K::kAttended, K::kLse, K::kMid}) need(c, kind);
    temporary(c, K::kAttendedGrad);
    temporary(c, K::kQueryGrad);
    if (self.query_grad_to != c) {
      int& sum = backward(self.query_grad_to, K::kQueryGradSum);
      if (sum < 0) sum = add(K::kQueryGradSum, self.query_grad_to, now);
      backward(c, K::kQueryGradSum) = sum;
    }
    if (backward(c, K::kQueryGradSum) >= 0) touch(backward(c, K::kQueryGradSum), now);
    if (self.kv_from == kZeroKv) return;
    touch(forward(self.kv_from, K::kKv), now);
    if (!cell(self.kv_from).keeps_grad) return;
    int& kv_grad = backward(self.kv_from, K::kKvGrad);
    if (kv_grad < 0) kv_grad = add(K::kKvGrad, self.kv_from, now);
    touch(kv_grad, now);
  }

  /// The gradient of a cell's output becomes that of its input in the same buffer, unless another
  /// reader of the same input has been visited already: then it is added to that one's.
  void pass_gradient_down(int c) {
    const Cell& self = cell(c);
    const int now = backward_time(c);
    int& input = grad_of(self.hidden_from);
    int own = grad_of(c);
    if (own < 0 && !self.runs_block)
      own = input;  // K,V alone: adds to the input's gradient directly
    if (own < 0) own = add(K::kHiddenGrad, c, now);  // nothing has written it yet: starts here
    touch(own, now);
    backward(c, K::kHiddenGrad) = own;
    if (input < 0) input = own;
    touch(input, now);
    memory_.cells[static_cast<size_t>(c)].input_grad = input;
    if (self.hidden_from == kEmbedding) {
      memory_.embedding_grad = input;
      touch(input, 2 * count() + 1);
    }
  }

  void assign_slots() {
    std::vector<int> order(memory_.values.size());
    for (size_t i = 0; i < order.size(); ++i) order[i] = static_cast<int>(i);
    std::stable_sort(order.begin(), order.end(), [&](int a, int b) {
      return memory_.values[static_cast<size_t>(a)].born <
             memory_.values[static_cast<size_t>(b)].born;
    });
    std::vector<std::vector<int>> busy_until(static_cast<size_t>(K::kCount));
    for (const int index : order) {
      Value& value = memory_.values[static_cast<size_t>(index)];
      auto& slots = busy_until[static_cast<size_t>(value.kind)];
      const auto free =
          std::find_if(slots.begin(), slots.end(), [&](int t) { return t < value.born; });
      value.slot = static_cast<int>(free - slots.begin());
      if (free == slots.end()) {
        slots.push_back(value.dies);
      } else {
        *free = value.dies;
      }
    }
    for (size_t kind = 0; kind < busy_until.size(); ++kind) {
      memory_.slots[kind] = static_cast<int>(busy_until[kind].size());
    }
  }

  const Plan& plan_;
  Recompute recompute_;
  bool separate_cast_;
  PlanMemory memory_;
  std::vector<int> grad_of_;  // by cell + 1: value that holds the gradient of its output
};

}  // namespace

bool starts_at_backward_of(const Plan& plan, const Value& value, int cell) {
  return value.born == 2 * static_cast<int>(plan.cells.size()) - cell;
}

PlanMemory plan_memory(const Plan& plan, config::Recompute recompute, bool separate_cast) {
  return Planner(plan, recompute, separate_cast).build();
}

}  // namespace lckv::model
