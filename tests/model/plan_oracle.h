#pragma once

#include <algorithm>
#include <compare>
#include <map>
#include <optional>
#include <set>
#include <string>
#include <vector>

#include "lckv/base/text.h"
#include "lckv/model/plan.h"

namespace lckv::model {

/// What a plan must look like, derived a second time from the prose of spec/lckv.md sections 2, 3,
/// 5 and 6: by looking sources up instead of unrolling, and by a graph search from the output
/// instead of a sweep over cells.
class PlanOracle {
 public:
  struct Visit {
    int pass, layer;
    auto operator<=>(const Visit&) const = default;
  };
  enum class Part { kHidden, kKv, kAttention };

  PlanOracle(std::vector<LayerSpec> layers, int m, int b, const PlanOptions& options)
      : layers_(std::move(layers)), m_(m), b_(b), options_(options) {
    find_groups();
    options_.drop_unread ? search() : take_all();
  }

  /// The first difference between a plan and the prose; "" when there is none.
  std::string complaint(const Plan& plan) const {
    std::map<Visit, int> cell_of;
    for (int c = 0; c < static_cast<int>(plan.cells.size()); ++c) {
      const Cell& cell = plan.cells[static_cast<size_t>(c)];
      if (!cell_of.emplace(Visit{cell.pass, cell.layer}, c).second) {
        return format("cell {} repeats a visit", c);
      }
    }
    std::set<Visit> live_visits;
    for (const auto& [visit, part] : live_) live_visits.insert(visit);
    if (live_visits.size() != cell_of.size()) {
      return format("{} cells, {} live visits", cell_of.size(), live_visits.size());
    }
    for (const Visit& visit : live_visits) {
      if (!cell_of.contains(visit)) return describe(visit) + " is missing";
      const std::string wrong = difference(plan, cell_of, visit);
      if (!wrong.empty()) return describe(visit) + ": " + wrong;
    }
    const auto output = cell_of.find(last_visit(static_cast<int>(layers_.size()) - 1));
    return output != cell_of.end() && output->second == plan.output ? "" : "wrong output";
  }

 private:
  struct Group {
    int first, last;
    bool iterated;
  };

  void find_groups() {
    const int count = static_cast<int>(layers_.size());
    for (int i = 0; i < count;) {
      int top = i;
      for (bool raised = reads(i) > i; raised;) {
        raised = false;
        for (int j = i; j <= top; ++j) {
          if (reads(j) > top) top = reads(j), raised = true;
        }
      }
      groups_.push_back({i, top, top > i});
      i = top + 1;
    }
  }
  int reads(int layer) const { return layers_[static_cast<size_t>(layer)].reads; }
  const Group& group_of(int layer) const {
    return *std::find_if(groups_.begin(), groups_.end(),
                         [&](const Group& g) { return g.first <= layer && layer <= g.last; });
  }
  /// Section 5 and 2: passes count from 0 here, m_ is the first one with gradient.
  int passes(int layer) const { return group_of(layer).iterated ? m_ + b_ : 1; }
  Visit last_visit(int layer) const { return {passes(layer) - 1, layer}; }
  bool keeps_grad(const Visit& v) const {
    return options_.training && (!group_of(v.layer).iterated || v.pass >= m_);
  }

  /// Where the input comes from: nothing is the embedding.
  std::optional<Visit> input(const Visit& v) const {
    if (v.layer == 0) return {};
    if (v.layer == group_of(v.layer).first) return last_visit(v.layer - 1);
    return Visit{v.pass, v.layer - 1};
  }
  /// The table of section 3.
  std::optional<Visit> source(const Visit& v) const {
    const int read = reads(v.layer);
    if (read > v.layer) {
      if (v.pass == 0) return {};
      return Visit{v.pass - 1, read};
    }
    if (read < group_of(v.layer).first) return last_visit(read);
    return Visit{v.pass, read};
  }
  bool attends(const Visit& v) const { return !options_.skip_zero_attention || source(v); }

  void need(const Visit& v, Part part) {
    if (live_.emplace(v, part).second) queue_.emplace_back(v, part);
  }
  void search() {
    need(last_visit(static_cast<int>(layers_.size()) - 1), Part::kHidden);
    while (!queue_.empty()) {
      const auto [v, part] = queue_.back();
      queue_.pop_back();
      if (input(v)) need(*input(v), Part::kHidden);
      if (part == Part::kHidden && attends(v)) need(v, Part::kAttention);
      if (part == Part::kAttention && source(v)) need(*source(v), Part::kKv);
    }
  }
  void take_all() {
    for (int layer = 0; layer < static_cast<int>(layers_.size()); ++layer) {
      for (int pass = 0; pass < passes(layer); ++pass) {
        const Visit v{pass, layer};
        live_.emplace(v, Part::kHidden);
        if (attends(v)) live_.emplace(v, Part::kAttention);
        if (layers_[static_cast<size_t>(layer)].has_kv) live_.emplace(v, Part::kKv);
      }
    }
  }
  bool is_live(const Visit& v, Part part) const { return live_.contains({v, part}); }

  /// Section 6, saving 3: the first attending visit of this layer with the same input, of those
  /// with gradient if asked.
  Visit first_with_same_queries(const Visit& v, bool with_gradient) const {
    for (int pass = 0; pass < v.pass; ++pass) {
      const Visit other{pass, v.layer};
      if (input(other) == input(v) && is_live(other, Part::kAttention) &&
          (!with_gradient || keeps_grad(other))) {
        return other;
      }
    }
    return v;
  }

  std::string difference(const Plan& plan, const std::map<Visit, int>& cell_of,
                         const Visit& v) const {
    const Cell& cell = plan.cells[static_cast<size_t>(cell_of.at(v))];
    const auto index = [&](const std::optional<Visit>& visit) {
      if (!visit) return -1;
      const auto found = cell_of.find(*visit);
      return found == cell_of.end() ? -2 : found->second;
    };
    const bool attention = is_live(v, Part::kAttention);
    if (cell.runs_block != is_live(v, Part::kHidden)) return "runs_block";
    if (cell.runs_attention != attention) return "runs_attention";
    if (cell.writes_kv != is_live(v, Part::kKv)) return "writes_kv";
    if (cell.keeps_grad != keeps_grad(v)) return "keeps_grad";
    if (cell.hidden_from != index(input(v))) return "hidden_from";
    if (cell.kv_from != (attention ? index(source(v)) : kZeroKv)) return "kv_from";
    if (cell.masks_self != layers_[static_cast<size_t>(v.layer)].masks_self) return "masks_self";
    const bool shares = attention && options_.reuse_queries;
    const Visit owner = shares ? first_with_same_queries(v, false) : v;
    const bool merges = shares && options_.merge_query_gradients && keeps_grad(v);
    const Visit merged = merges ? first_with_same_queries(v, true) : v;
    if (cell.query_from != index(owner)) return "query_from";
    if (cell.query_grad_to != index(merged)) return "query_grad_to";
    return "";
  }

  static std::string describe(const Visit& v) {
    return format("layer {} pass {}", v.layer, v.pass);
  }

  std::vector<LayerSpec> layers_;
  int m_, b_;
  PlanOptions options_;
  std::vector<Group> groups_;
  std::set<std::pair<Visit, Part>> live_;
  std::vector<std::pair<Visit, Part>> queue_;
};

}  // namespace lckv::model
