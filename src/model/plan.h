#pragma once

#include <string>
#include <vector>

#include "lckv/model/layer_spec.h"

namespace lckv::model {

inline constexpr int kEmbedding = -1;  // hidden_from: the token embedding
// kv_from: no key is visible yet; the attention output is exactly 0
inline constexpr int kZeroKv = -1;

/// One visit to one transformer block. A training step is a list of these, walked forward, then
/// backward.
struct Cell {
  int layer = 0;
  int pass = 0;                  // iteration inside the layer's cycle; 0 outside every cycle
  int hidden_from = kEmbedding;  // cell whose output is this cell's input, or kEmbedding
  int kv_from = kZeroKv;         // cell whose K,V the queries read (may be this one), or kZeroKv
  bool masks_self = false;       // position t reads keys 0..t-1 only
  bool writes_kv = false;        // some live cell reads the K,V computed here
  bool runs_block = false;       // attention and MLP run; false: norm and K,V projection alone
  // false in a block whose attention output is known to be 0: only the MLP runs
  bool runs_attention = false;
  bool keeps_grad = false;  // activations are saved, the backward sweep visits this cell
  // the block runs on the rows alone whose logits are wanted; its K,V are those of all rows
  bool selects_rows = false;
  // cell whose normed input and rotated queries are used: this one, or an earlier pass with the
  // same input
  int query_from = 0;
  // gradient cell that turns the sum of dQ into gradients: this one, or the oldest that shares the
  // queries
  int query_grad_to = 0;

  bool operator==(const Cell&) const = default;
};

/// A run of layers that is executed as one: once, or as a cycle of m + b passes.
struct Segment {
  int first = 0;  // layers first..last
  int last = 0;
  bool iterated = false;
  bool operator==(const Segment&) const = default;
};

struct Plan {
  std::vector<LayerSpec> layers;
  std::vector<Segment> segments;
  std::vector<Cell> cells;  // in order of execution
  int output = kEmbedding;  // cell whose hidden output the head reads
};

/// The transformations of a plan, each exact, each can be switched off (spec/lckv.md section 6).
struct PlanOptions {
  bool training = true;             // false: no cell keeps gradients
  bool drop_unread = true;          // 1, 5, 7: what no live cell reads is not computed
  bool skip_zero_attention = true;  // 2: no q, attention, o_proj where no key exists yet
  // 3, forward: a layer visited again with the same input computes its queries once
  bool reuse_queries = true;
  // 3, backward: their dQ are summed before one W_Q backward; changes rounding
  bool merge_query_gradients = true;
  // a cache reads the K,V of every layer's last visit (spec/lckv.md 7.2, 7.3)
  bool fills_cache = false;
  // 6: behind the last K,V that are read, only rows whose logits are wanted are computed
  bool selects_rows = false;
};

/// spec/lckv.md section 2: straight spans and cycles, bottom to top.
std::vector<Segment> split_segments(const std::vector<LayerSpec>& layers);

/// Every visit that the method names, nothing dropped: cycles run m passes without and b passes
/// with gradient, each cell reading the newest writer of its K,V (own or lower layer: this pass;
/// higher layer: the previous pass; none: kZeroKv).
Plan unroll(const std::vector<LayerSpec>& layers, const std::vector<Segment>& segments, int m,
            int b, const PlanOptions& options);

/// Removes what the output does not depend on: clears runs_block and writes_kv where nothing reads
/// the result, then drops empty cells. A part of a cell stays only if a live part, or a cache,
/// reads it.
Plan drop_unread(const Plan& plan, const PlanOptions& options = {});

/// Points query_from (and, when asked, query_grad_to) of repeated visits with one input at the
/// first.
Plan share_queries(const Plan& plan, bool merge_gradients);

/// Throws InternalError naming the cell and the rule: writers stand before readers and write what
/// is read; a gradient cell's input is a gradient cell's output or the embedding; the output is a
/// block that runs; queries are shared only among visits of one layer with one input; a block of
/// selected rows is read by blocks of selected rows alone.
void verify(const Plan& plan);

/// All of the above in order, verified. m >= 0, b >= 1. Without training the cycles run m + b
/// passes, no cell keeps gradients.
Plan build_plan(const std::vector<LayerSpec>& layers, int m, int b,
                const PlanOptions& options = {});

/// The cells as rows of passes over columns of layers: what runs, what is kv-only, what keeps
/// gradients, what each cell reads.
std::string draw(const Plan& plan);

}  // namespace lckv::model
