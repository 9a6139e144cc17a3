#pragma once

#include <map>
#include <set>
#include <string>
#include <vector>

#include "lckv/base/text.h"
#include "lckv/model/plan_memory.h"

namespace lckv::model {

/// Plays a plan on labelled slots instead of memory: every step checks that what it reads is in the
/// slot where the memory plan put it, within the value's life, and that every gradient holds the
/// parts of all its readers and no others.
class MemoryReplay {
 public:
  MemoryReplay(const Plan& plan, const PlanMemory& memory) : plan_(plan), memory_(memory) {}

  /// The first thing that goes wrong; "" when nothing does.
  std::string complaint() {
    now_ = -1;
    put(memory_.embedding_hidden, {K::kHidden, kEmbedding, {}});
    for (now_ = 0; now_ < count(); ++now_) forward(now_);
    expect(hidden_of(plan_.output), {K::kHidden, plan_.output, {}});
    if (memory_.output_grad < 0) return complaint_;
    put(memory_.output_grad, {K::kHiddenGrad, plan_.output, {kHead}});
    for (int c = count() - 1; c >= 0; --c) {
      now_ = 2 * count() - c;
      if (cell(c).keeps_grad) backward(c);
    }
    now_ = 2 * count() + 1;
    expect(memory_.embedding_grad, {K::kHiddenGrad, kEmbedding, hidden_readers(kEmbedding)});
    return complaint_;
  }

 private:
  using K = ValueKind;
  static constexpr int kHead = 1 << 20;

  struct Content {
    K kind = K::kCount;   // kCount: nothing of use
    int cell = 0;         // whose value
    std::set<int> parts;  // of a gradient: the readers that have added theirs
    bool operator==(const Content&) const = default;
  };

  int count() const { return static_cast<int>(plan_.cells.size()); }
  const Cell& cell(int c) const { return plan_.cells[static_cast<size_t>(c)]; }
  const CellValues& values(int c) const { return memory_.cells[static_cast<size_t>(c)]; }
  int forward_value(int c, K kind) const { return values(c).forward[static_cast<size_t>(kind)]; }
  int backward_value(int c, K kind) const { return values(c).backward[static_cast<size_t>(kind)]; }
  int hidden_of(int c) const {
    return c == kEmbedding ? memory_.embedding_hidden : forward_value(c, K::kHidden);
  }
  /// Whose norm and queries a visit uses.
  int owner(int c) const { return cell(c).runs_attention ? cell(c).query_from : c; }

  std::set<int> readers(bool Cell::*runs, int Cell::*from, int source) const {
    std::set<int> found;
    for (int c = 0; c < count(); ++c) {
      if (cell(c).keeps_grad && (!runs || cell(c).*runs) && cell(c).*from == source)
        found.insert(c);
    }
    return found;
  }
  std::set<int> hidden_readers(int c) const {
    std::set<int> found = readers(nullptr, &Cell::hidden_from, c);
    if (c == plan_.output) found.insert(kHead);
    return found;
  }
  std::set<int> kv_readers(int c) const {
    return readers(&Cell::runs_attention, &Cell::kv_from, c);
  }
  std::set<int> query_sharers(int c) const {
    return readers(&Cell::runs_attention, &Cell::query_grad_to, c);
  }

  void fail(const std::string& what) {
    if (complaint_.empty()) complaint_ = format("time {}: {}", now_, what);
  }
  /// The slot of a value that is alive now.
  Content& slot(int value) {
    static Content nowhere;
    if (value < 0) {
      fail("no value planned");
      return nowhere = {};
    }
    const Value& v = memory_.values[static_cast<size_t>(value)];
    if (now_ < v.born || now_ > v.dies) fail(format("value {} is used outside its life", value));
    return slots_[{v.kind, v.slot}];
  }
  void put(int value, const Content& content) {
    if (value >= 0 && memory_.values[static_cast<size_t>(value)].kind != content.kind) {
      fail(format("value {} is of another kind", value));
    }
    slot(value) = content;
  }
  void expect(int value, const Content& content) {
    if (slot(value) != content) {
      fail(format("value {} does not hold kind {} of cell {}", value,
                  static_cast<int>(content.kind), content.cell));
    }
  }

  void forward(int c) {
    const Cell& self = cell(c);
    expect(hidden_of(self.hidden_from), {K::kHidden, self.hidden_from, {}});
    const auto get = [&](K kind, int whose) { expect(forward_value(c, kind), {kind, whose, {}}); };
    const auto set = [&](K kind) { put(forward_value(c, kind), {kind, c, {}}); };
    if (owner(c) == c && (self.runs_attention || self.writes_kv)) {
      set(K::kNormed);
      set(K::kNormedRstd);
    }
    if (self.writes_kv) {
      get(K::kNormed, owner(c));
      set(K::kKv);
    }
    if (self.runs_attention) {
      if (owner(c) == c) set(K::kQueries);
      get(K::kQueries, owner(c));
      if (self.kv_from != kZeroKv) {
        expect(forward_value(self.kv_from, K::kKv), {K::kKv, self.kv_from, {}});
      }
      for (const K kind : {K::kAttended, K::kLse, K::kMid}) set(kind);
    }
    if (!self.runs_block) return;
    for (const K kind : {K::kMlpNormed, K::kMlpRstd, K::kGateUp, K::kAct, K::kHidden}) set(kind);
  }

  /// What the backward sweep does not find it computes again.
  void recompute(int c) {
    for (const K kind : {K::kNormed, K::kNormedRstd, K::kQueries, K::kAttended, K::kLse, K::kMid,
                         K::kMlpNormed, K::kMlpRstd, K::kGateUp, K::kAct}) {
      const bool shared = kind == K::kNormed || kind == K::kNormedRstd || kind == K::kQueries;
      if (values(c).recomputes(kind)) {
        put(backward_value(c, kind), {kind, shared ? owner(c) : c, {}});
      }
    }
  }
  void expect_saved(int c, K kind, int whose) {
    expect(backward_value(c, kind), {kind, whose, {}});
  }

  void backward(int c) {
    const Cell& self = cell(c);
    recompute(c);
    expect(hidden_of(self.hidden_from), {K::kHidden, self.hidden_from, {}});
    if (self.runs_block) {
      mlp_half(c);
      if (self.runs_attention) attention(c);
    }
    if (self.writes_kv) kv_gradient(c);
    if (self.runs_attention || self.writes_kv) {
      expect_saved(c, K::kNormed, owner(c));
      expect_saved(c, K::kNormedRstd, owner(c));
      put(backward_value(c, K::kNormedGrad), {K::kNormedGrad, c, {}});
    }
    hand_down(c);
  }

  void mlp_half(int c) {
    const int dh = backward_value(c, K::kHiddenGrad);
    if (dh >= 0 && starts_now(dh, c)) put(dh, {K::kHiddenGrad, c, {}});
    expect(dh, {K::kHiddenGrad, c, hidden_readers(c)});
    for (const K kind : {K::kMlpNormed, K::kMlpRstd, K::kGateUp, K::kAct}) expect_saved(c, kind, c);
    put(backward_value(c, K::kActGrad), {K::kActGrad, c, {}});
    put(backward_value(c, K::kNormedGrad), {K::kNormedGrad, c, {}});
    slot(backward_value(c, K::kGateUp)) = {};  // its gradient takes its place
  }

  void attention(int c) {
    const Cell& self = cell(c);
    for (const K kind : {K::kAttended, K::kLse, K::kMid}) expect_saved(c, kind, c);
    expect_saved(c, K::kQueries, owner(c));
    put(backward_value(c, K::kAttendedGrad), {K::kAttendedGrad, c, {}});
    put(backward_value(c, K::kQueryGrad), {K::kQueryGrad, c, {}});
    if (self.kv_from != kZeroKv) {
      expect(forward_value(self.kv_from, K::kKv), {K::kKv, self.kv_from, {}});
      if (cell(self.kv_from).keeps_grad) {
        add_part(backward_value(self.kv_from, K::kKvGrad), K::kKvGrad, self.kv_from, c);
      }
    }
    const int sum = backward_value(c, K::kQueryGradSum);
    if (sum >= 0) add_part(sum, K::kQueryGradSum, self.query_grad_to, c);
    if (self.query_grad_to != c) return;
    if (sum >= 0) {
      expect(sum, {K::kQueryGradSum, c, query_sharers(c)});
    } else if (query_sharers(c).size() > 1) {
      fail("dQ of several visits, but no sum");
    }
  }

  void kv_gradient(int c) {
    const int dkv = backward_value(c, K::kKvGrad);
    if (dkv >= 0 && starts_now(dkv, c) && cell(c).kv_from != c) put(dkv, {K::kKvGrad, c, {}});
    expect(dkv, {K::kKvGrad, c, kv_readers(c)});
  }

  bool starts_now(int value, int c) const {
    return starts_at_backward_of(plan_, memory_.values[static_cast<size_t>(value)], c);
  }
  void add_part(int value, K kind, int whose, int part) {
    if (value >= 0 && starts_now(value, part)) put(value, {kind, whose, {}});
    Content& content = slot(value);
    if (content.kind != kind || content.cell != whose) {
      fail(format("value {} is not the gradient of cell {}", value, whose));
    }
    content.parts.insert(part);
  }

  /// Afterwards the input's gradient contains this cell's part.
  void hand_down(int c) {
    const int own = backward_value(c, K::kHiddenGrad);
    const int input = values(c).input_grad;
    const int source = cell(c).hidden_from;
    if (cell(c).runs_block) {
      put(own, {K::kHiddenGrad, source, {c}});
      if (input == own) return;
      slot(own) = {};
    }
    add_part(input, K::kHiddenGrad, source, c);
  }

  const Plan& plan_;
  const PlanMemory& memory_;
  int now_ = 0;
  std::map<std::pair<K, int>, Content> slots_;
  std::string complaint_;
};

/// Two values of one kind that share a slot while both are alive; "" when there are none.
inline std::string shared_slot(const PlanMemory& memory) {
  for (size_t a = 0; a < memory.values.size(); ++a) {
    for (size_t b = a + 1; b < memory.values.size(); ++b) {
      const Value& x = memory.values[a];
      const Value& y = memory.values[b];
      if (x.kind != y.kind || x.slot != y.slot) continue;
      if (x.born <= y.dies && y.born <= x.dies) return format("values {} and {}", a, b);
    }
  }
  return "";
}

}  // namespace lckv::model
