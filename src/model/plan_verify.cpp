#include "lckv/base/error.h"
#include "lckv/base/text.h"
#include "lckv/model/plan.h"

namespace lckv::model {

namespace {

void verify_cell(const Plan& plan, int self) {
  const auto at = [&](int c) -> const Cell& { return plan.cells[static_cast<size_t>(c)]; };
  const Cell& cell = at(self);
  const auto require = [&](bool holds, const char* rule) {
    LCKV_CHECK(holds,
               format("plan: cell {} (layer {}, pass {}): {}", self, cell.layer, cell.pass, rule));
  };
  require(cell.layer >= 0 && cell.layer < static_cast<int>(plan.layers.size()), "layer exists");
  require(cell.runs_block || cell.writes_kv, "a cell does something");
  require(cell.runs_block || !cell.runs_attention, "attention runs only inside a block");

  require(cell.hidden_from >= kEmbedding && cell.hidden_from < self, "input is computed before");
  if (cell.hidden_from != kEmbedding) {
    const Cell& input = at(cell.hidden_from);
    require(input.runs_block, "input comes from a block that runs");
    require(input.layer == cell.layer - 1, "input is the layer below");
    require(input.keeps_grad || !cell.keeps_grad, "a gradient cell's input is a gradient cell");
    require(!input.selects_rows || (cell.selects_rows && !cell.writes_kv),
            "what is computed of selected rows is read for selected rows alone");
  } else {
    require(cell.layer == 0, "only layer 0 reads the embedding");
  }

  require(cell.kv_from >= kZeroKv && cell.kv_from <= self, "K,V are written before they are read");
  if (cell.kv_from != kZeroKv) {
    const Cell& writer = at(cell.kv_from);
    require(writer.writes_kv, "K,V come from a cell that writes them");
    require(writer.layer == plan.layers[static_cast<size_t>(cell.layer)].reads,
            "K,V come from the layer that layer_types names");
  }
  require(!cell.selects_rows || (cell.runs_block && !cell.keeps_grad),
          "rows are selected in blocks without gradient");
  require(!cell.writes_kv || plan.layers[static_cast<size_t>(cell.layer)].has_kv,
          "only layers that are read write K,V");

  if (!cell.runs_attention) return;
  const Cell& owner = at(cell.query_from);
  require(cell.query_from <= self && owner.layer == cell.layer &&
              owner.hidden_from == cell.hidden_from && owner.runs_attention,
          "queries are shared with an earlier visit of the same layer with the same input");
  require(!owner.selects_rows || cell.selects_rows, "queries of selected rows are shared by those");
  if (!cell.keeps_grad) return;
  const Cell& merged = at(cell.query_grad_to);
  require(cell.query_grad_to <= self && merged.keeps_grad && merged.runs_attention &&
              merged.query_from == cell.query_from,
          "dQ are merged in an earlier gradient cell with the same queries");
}

}  // namespace

void verify(const Plan& plan) {
  for (int c = 0; c < static_cast<int>(plan.cells.size()); ++c) verify_cell(plan, c);
  LCKV_CHECK(plan.layers.empty() ||
                 (plan.output >= 0 && plan.output < static_cast<int>(plan.cells.size())),
             "plan: the output is a cell");
  if (plan.output == kEmbedding) return;
  const Cell& output = plan.cells[static_cast<size_t>(plan.output)];
  LCKV_CHECK(output.runs_block && output.layer == static_cast<int>(plan.layers.size()) - 1,
             "plan: the output is the block of the last layer");
}

}  // namespace lckv::model
