#include "lckv/infer/cached_model.h"

#include <algorithm>

#include "lckv/base/error.h"
#include "lckv/base/text.h"
#include "lckv/kernels/ops/copy.h"
#include "lckv/kernels/ops/embedding.h"
#include "lckv/kernels/ops/rope.h"
#include "lckv/tensor/transfer.h"

namespace lckv::infer {

using model::Cell;
using model::kEmbedding;
using model::Plan;

namespace {

// The input of the pass at hand, the input of its segment, and the output in the making.
constexpr size_t kHiddenBuffers = 3;

// Plans of many passes are large, and rows of all lengths come.
constexpr size_t kKeptPlans = 16;

model::Dims rank_dims(const config::ModelConfig& config, const CachedModel::Options& options) {
  model::Dims dims = model::make_dims(config, 1, options.most_rows);
  dims.tp = options.ranks->grid.tp;
  model::require_divisible(dims);
  return dims;
}

/// All that a cell of these layers can have.
std::vector<KeyRule> key_rules(const std::vector<model::LayerSpec>& layers) {
  std::vector<KeyRule> rules;
  const auto add = [&](const KeyRule& rule) {
    if (std::find(rules.begin(), rules.end(), rule) == rules.end()) rules.push_back(rule);
  };
  for (const model::LayerSpec& layer : layers) {
    add({layer.masks_self, layer.window_tokens, false});
    if (layer.upward) add({layer.masks_self, layer.window_tokens, true});
  }
  return rules;
}

}  // namespace

CachedModel::CachedModel(Arena& arena, const config::ModelConfig& config, const Options& options)
    : options_(options),
      layers_(model::make_layer_specs(config)),
      rms_norm_eps_(config.rms_norm_eps),
      rope_theta_(config.rope_theta),
      dims_(rank_dims(config, options)),
      tp_(*options.ranks->tp, dims_),
      cache_(arena, layers_, dims_, options.cache),
      rules_(key_rules(layers_)),
      watch_(arena, layers_, dims_,
             {options.dtype, options.most_rows, options.converges, options.probe}, tp_) {
  const SinkWindow& streaming = options.cache.streaming;
  require_possible(streaming, layers_, config.max_position_embeddings);
  const DType dtype = options.dtype, acc = accumulator(dtype);
  const int64_t N = options.most_rows, M = options.most_wanted, C = dims_.C;
  const auto take = [&](const char* name, DType type, const Shape& shape) {
    return arena.take("activations", name, type, shape);
  };
  for (size_t i = 0; i < kHiddenBuffers; ++i) hidden_.push_back(take("hidden", dtype, {N, C}));
  selected_hidden_ = take("selected hidden", dtype, {M, C});
  selected_normed_ = take("selected x", dtype, {M, C});
  x_ = take("x", dtype, {N, C});
  rstd_ = take("rstd", acc, {N});
  kv_ = take("kv", dtype, {N, 2 * dims_.Ckv_tp()});
  q_ = take("q", dtype, {N, dims_.Cq_tp()});
  q_kept_ = take("q kept", dtype, q_.shape());
  if (streaming.is_on()) {
    q_sinks_ = take("q of sinks", dtype, q_.shape());
    q_sinks_kept_ = take("q of sinks kept", dtype, q_.shape());
  }
  attn_ = take("attn", dtype, q_.shape());
  y_ = take("y", dtype, {N, C});
  gate_up_ = take("gate_up", dtype, {N, 2 * dims_.F_tp()});
  act_ = take("act", dtype, {N, dims_.F_tp()});
  const int64_t positions = options.cache.most_tokens;
  rope_cos_ = arena.take("tables", "rope.cos", acc, {positions, dims_.D / 2});
  rope_sin_ = arena.take("tables", "rope.sin", acc, rope_cos_.shape());
  // By row: sequence, two positions, three numbers per rule; tokens, order and slots of all rows,
  // number and order of the wanted ones (stage(), stage_rows()).
  const int64_t of_row = 3 + 3 * static_cast<int64_t>(rules_.size());
  const auto tables = static_cast<int64_t>(cache_.tables().size());
  numbers_.emplace(arena, N * (of_row + 2 + tables) + M * (of_row + 2));
  for (const PageTable& table : cache_.tables()) {
    pages_.push_back({StagedNumbers(arena, static_cast<int64_t>(table.entries().size())), {}, -1});
  }
}

void CachedModel::prepare(Stream& stream) {
  ops::rope_tables(stream, rope_cos_, rope_sin_, rope_theta_);
  numbers_->prepare(stream);
  for (StagedPages& pages : pages_) pages.numbers.prepare(stream);
}

const Plan& CachedModel::plan(int64_t passes, bool fresh) {
  const auto found = plans_.find({passes, fresh});
  if (found != plans_.end()) return found->second;
  model::PlanOptions options;
  options.training = false;
  options.drop_unread = options_.drop_unread;
  options.reuse_queries = options_.reuse_queries;
  options.skip_zero_attention = fresh;
  options.fills_cache = options_.keeps_cache;
  options.selects_rows = true;
  if (plans_.size() >= kKeptPlans) plans_.clear();
  return plans_
      .emplace(std::pair(passes, fresh),
               model::build_plan(layers_, static_cast<int>(passes) - 1, 1, options))
      .first->second;
}

ConstView CachedModel::forward(Stream& stream, const model::ParameterSet& weights,
                               std::span<const NewTokens> entries, std::span<const int32_t> wanted,
                               const Passes& passes) {
  LCKV_CHECK(passes.most >= 1 && (passes.converge_eps == 0 || options_.converges),
             format("{} passes, convergence {}", passes.most, passes.converge_eps));
  int64_t longest = 1;
  for (const NewTokens& entry : entries) {
    longest = std::max(longest, cache_.length(entry.sequence) - cache_.computed(entry.sequence));
  }
  stage(stream, entries, wanted);
  const int64_t most = std::min(passes.most, longest);
  const Plan& plan = this->plan(most, batch_.fresh);
  watch_.begin(batch_.entry_rows, passes.converge_eps);
  place_outputs(plan);
  embed(stream, weights);
  run_cells(stream, plan, weights, most, passes.converge_eps);
  for (const NewTokens& entry : entries) cache_.complete(entry.sequence);
  if (wanted.empty()) return {};
  const View output = hidden_[static_cast<size_t>(output_slot_[static_cast<size_t>(plan.output)])];
  if (is_narrow(plan, plan.output)) return output.slice(0, 0, wanted_rows());
  const View all = output.slice(0, 0, batch_.rows);
  return batch_.selects ? selected(stream, selected_hidden_, all) : all;
}

void CachedModel::run_cells(Stream& stream, const Plan& plan, const model::ParameterSet& weights,
                            int64_t passes, double converge_eps) {
  const auto at = [&](int c) -> const Cell& { return plan.cells[static_cast<size_t>(c)]; };
  const int count = static_cast<int>(plan.cells.size());
  int64_t most_passes = 1, skipped = 0;
  for (int c = 0; c < count; ++c) {
    const Cell& cell = at(c);
    if (cell.pass == 0) skipped = 0;
    pass_ = cell.pass + 1 - skipped;
    run_cell(stream, plan, c, weights.layer(cell.layer));
    most_passes = std::max(most_passes, pass_);
    const bool group_ends = c + 1 == count || at(c + 1).pass < cell.pass;
    const bool pass_ends = group_ends || at(c + 1).pass > cell.pass;
    if (!watch_.is_on() || !pass_ends) continue;
    const bool has_converged = watch_.end_pass(stream) && pass_ > 1;
    if (group_ends) {
      watch_.end_group(stream);
    } else if (converge_eps > 0 && has_converged) {
      // Of this group only the last pass is left, whose output goes on.
      skipped = passes - 1 - at(c + 1).pass;
      while (at(c + 1).pass < passes - 1) ++c;
    }
  }
  report_ = watch_.take_report();
  report_.passes = most_passes;
}

void CachedModel::embed(Stream& stream, const model::ParameterSet& weights) {
  const View hidden = hidden_[0].slice(0, 0, batch_.rows);
  ops::embedding_forward(stream, hidden, weights.embedding(), batch_.tokens,
                         dims_.V_begin(tp_.group().rank()));
  tp_.sum_partials(stream, hidden, "tp embedding");
}

/// Outputs live until their last reader; the embedding's lies in buffer 0.
void CachedModel::place_outputs(const Plan& plan) {
  const size_t count = plan.cells.size();
  std::vector<size_t> last_reader(count, 0);
  size_t embedding_reader = 0;
  queries_shared_.assign(count, false);
  for (size_t c = 0; c < count; ++c) {
    const Cell& cell = plan.cells[c];
    (cell.hidden_from == kEmbedding ? embedding_reader
                                    : last_reader[static_cast<size_t>(cell.hidden_from)]) = c;
    if (cell.runs_attention && cell.query_from != static_cast<int>(c)) {
      queries_shared_[static_cast<size_t>(cell.query_from)] = true;
    }
  }
  last_reader[static_cast<size_t>(plan.output)] = count;
  output_slot_.assign(count, -1);
  std::vector<size_t> busy_until(kHiddenBuffers, 0);
  busy_until[0] = embedding_reader + 1;
  for (size_t c = 0; c < count; ++c) {
    if (!plan.cells[c].runs_block) continue;
    const auto free = std::find_if(busy_until.begin(), busy_until.end(),
                                   [&](size_t until) { return until <= c; });
    LCKV_CHECK(free != busy_until.end(), "no buffer for a cell's output");
    output_slot_[c] = static_cast<int>(free - busy_until.begin());
    *free = last_reader[c] + 1;
  }
}

}  // namespace lckv::infer
