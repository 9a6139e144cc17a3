#include <algorithm>
#include <map>
#include <vector>

#include "lckv/model/plan.h"

namespace lckv::model {

namespace {

/// Rows of a cell's output that something reads.
enum class Rows : uint8_t { kNone, kSelected, kAll };

/// The last visit of every layer that writes K,V.
std::vector<bool> read_by_cache(const Plan& plan) {
  std::vector<bool> read(plan.cells.size(), false);
  std::vector<int> last(plan.layers.size(), kZeroKv);
  for (size_t c = 0; c < plan.cells.size(); ++c) {
    if (plan.cells[c].writes_kv)
      last[static_cast<size_t>(plan.cells[c].layer)] = static_cast<int>(c);
  }
  for (const int c : last) {
    if (c != kZeroKv) read[static_cast<size_t>(c)] = true;
  }
  return read;
}

/// Clears the parts that nothing live reads. Readers stand behind writers, so one backward walk is
/// enough.
void clear_unread_parts(Plan& plan, const PlanOptions& options) {
  std::vector<Rows> hidden_read(plan.cells.size(), Rows::kNone);
  std::vector<bool> kv_read(plan.cells.size(), false);
  if (options.fills_cache) kv_read = read_by_cache(plan);
  if (plan.output != kEmbedding) {
    hidden_read[static_cast<size_t>(plan.output)] =
        options.selects_rows ? Rows::kSelected : Rows::kAll;
  }
  for (size_t c = plan.cells.size(); c-- > 0;) {
    Cell& cell = plan.cells[c];
    cell.runs_block = hidden_read[c] != Rows::kNone;
    cell.selects_rows = hidden_read[c] == Rows::kSelected;
    cell.runs_attention = cell.runs_attention && cell.runs_block;
    if (cell.runs_attention && cell.kv_from != kZeroKv) {
      kv_read[static_cast<size_t>(cell.kv_from)] = true;
    }
    cell.writes_kv = kv_read[c];
    if (!cell.runs_attention) cell.kv_from = kZeroKv;
    if (cell.hidden_from == kEmbedding) continue;
    Rows& input = hidden_read[static_cast<size_t>(cell.hidden_from)];
    input = std::max(input, cell.writes_kv ? Rows::kAll : hidden_read[c]);
  }
}

}  // namespace

Plan drop_unread(const Plan& full, const PlanOptions& options) {
  Plan plan = full;
  clear_unread_parts(plan, options);
  std::vector<int> renumbered(plan.cells.size(), kEmbedding);
  std::vector<Cell> kept;
  for (size_t c = 0; c < plan.cells.size(); ++c) {
    Cell cell = plan.cells[c];
    if (!cell.runs_block && !cell.writes_kv) continue;
    const int self = static_cast<int>(kept.size());
    renumbered[c] = self;
    const auto moved = [&](int from) {
      return from < 0 ? from : renumbered[static_cast<size_t>(from)];
    };
    cell.hidden_from = moved(cell.hidden_from);
    cell.kv_from = moved(cell.kv_from);
    cell.query_from = self;
    cell.query_grad_to = self;
    kept.push_back(cell);
  }
  plan.cells = std::move(kept);
  if (plan.output != kEmbedding) plan.output = renumbered[static_cast<size_t>(plan.output)];
  return plan;
}

Plan share_queries(const Plan& original, bool merge_gradients) {
  Plan plan = original;
  using Visit = std::pair<int, int>;  // layer, hidden_from: equal visits have equal queries
  std::map<Visit, int> first, first_with_grad;
  for (int c = 0; c < static_cast<int>(plan.cells.size()); ++c) {
    Cell& cell = plan.cells[static_cast<size_t>(c)];
    if (!cell.runs_attention) continue;
    const Visit visit(cell.layer, cell.hidden_from);
    cell.query_from = first.try_emplace(visit, c).first->second;
    if (merge_gradients && cell.keeps_grad) {
      cell.query_grad_to = first_with_grad.try_emplace(visit, c).first->second;
    }
  }
  return plan;
}

}  // namespace lckv::model
