#pragma once

#include <map>
#include <optional>
#include <span>
#include <vector>

#include "lckv/comm/communicators.h"
#include "lckv/infer/kv_cache.h"
#include "lckv/infer/kv_watch.h"
#include "lckv/infer/passes.h"
#include "lckv/infer/staged_numbers.h"
#include "lckv/infer/visible_keys.h"
#include "lckv/model/cell.h"
#include "lckv/model/parameter_set.h"
#include "lckv/model/plan.h"

namespace lckv::infer {

/// The last tokens of a sequence, for which KvCache::append() has made room.
struct NewTokens {
  int64_t sequence = 0;
  std::span<const int32_t> tokens;
};

/// A network over a KV cache: prefill, decoding and scoring are one function, a walk over the plan
/// of spec/lckv.md 7.3 for n new tokens on top of c cached ones; any number of sequences at once,
/// each with an n and c of its own, without padding.
///
/// K,V are written into the cache in place: a cell reads the newest writer of its K,V, and the
/// newest is what the cache holds. Readers of a higher layer see in their first pass the cached
/// tokens alone.
///
/// Every function that takes a stream is collective over the ranks of a model copy, which make the
/// same calls.
class CachedModel {
 public:
  struct Options {
    DType dtype = DType::kF32;  // of weights, activations and cache
    int64_t most_rows = 1;      // new tokens of one forward, all sequences together
    int64_t most_wanted = 1;    // of them, whose outputs are asked for
    bool converges = false;     // Passes::converge_eps will be used
    KvProbe probe{};            // what forwards report beside their passes
    bool keeps_cache = true;    // later forwards go on from these tokens; false: scoring alone
    // Transformations of the plan; tests switch them off.
    bool drop_unread = true;
    bool reuse_queries = true;
    KvCache::Options cache;
    // the grid's; they outlive the model
    const comm::Communicators* ranks = &comm::single_process();
  };

  /// Takes all its memory from `arena` (planning or real). Call prepare() before the first use of a
  /// real one. Throws ConfigError when the streaming options do not suit the model.
  CachedModel(Arena& arena, const config::ModelConfig& config, const Options& options);
  CachedModel(const CachedModel&) = delete;
  CachedModel& operator=(const CachedModel&) = delete;
  void prepare(Stream& stream);

  /// Computes tokens that have a place in the cache but no keys and values yet. A sequence may
  /// stand in one entry only; one that shares its beginning with another (KvCache::share) may be
  /// computed in the same call as that, and gives its own tokens alone.
  ///
  ///   wanted   rows of the call, counted through all entries, in ascending order: their outputs
  ///            are computed
  ///
  /// Returns the last layer's outputs of the wanted rows [wanted, C], valid until the next call.
  ConstView forward(Stream& stream, const model::ParameterSet& weights,
                    std::span<const NewTokens> entries, std::span<const int32_t> wanted,
                    const Passes& passes);

  KvCache& cache() { return cache_; }
  const KvCache& cache() const { return cache_; }
  const Options& options() const { return options_; }
  const model::Dims& dims() const { return dims_; }
  const model::TensorParallel& tensor_parallel() const { return tp_; }
  /// Of the newest forward().
  const PassReport& report() const { return report_; }

  /// What a forward of so many passes does; `fresh`: none of its sequences has cached tokens.
  const model::Plan& plan(int64_t passes, bool fresh);

 private:
  /// Which keys the attention of one kind of cell reads, by row.
  struct RuleNumbers {
    ConstView begin, end, sink_end;
  };
  /// Of all rows, or of the wanted ones alone.
  struct RowNumbers {
    ConstView sequence, positions, sink_positions;
    std::vector<RuleNumbers> rules;  // as rules_
  };
  struct Batch {
    int64_t rows = 0;
    std::vector<int64_t> entry_rows;
    bool fresh = true, selects = false;
    ConstView tokens;
    ConstView wanted, wanted_order;  // [M]: row, and 0..M-1
    ConstView row_order;             // [N]: 0..N-1
    std::vector<ConstView> slots;    // per table
    RowNumbers all, selected;
  };
  struct RowOrigin {
    int64_t sequence, position, cached;
  };

  void stage_pages(Stream& stream);
  void stage(Stream& stream, std::span<const NewTokens> entries, std::span<const int32_t> wanted);
  void stage_rows(RowNumbers& numbers, std::span<const RowOrigin> rows);
  void embed(Stream& stream, const model::ParameterSet& weights);
  /// Whether a cell's block runs on the wanted rows alone.
  bool is_narrow(const model::Plan& plan, int c) const;
  int64_t wanted_rows() const { return batch_.wanted ? batch_.wanted.numel() : 0; }
  void place_outputs(const model::Plan& plan);
  model::CellContext context(Stream& stream, bool narrow, bool for_sinks) const;
  void run_cells(Stream& stream, const model::Plan& plan, const model::ParameterSet& weights,
                 int64_t passes, double converge_eps);
  void run_cell(Stream& stream, const model::Plan& plan, int c, const model::LayerWeights& w);
  void run_input(Stream& stream, const model::Plan& plan, int c, const model::LayerWeights& w,
                 model::CellBuffers& t);
  void compute_kv(Stream& stream, const model::Cell& cell, const model::LayerWeights& w,
                  const model::CellBuffers& t);
  void run_attention(Stream& stream, const model::Plan& plan, int c, const model::LayerWeights& w,
                     model::CellBuffers& t);
  View queries(Stream& stream, const model::Plan& plan, int c, const model::LayerWeights& w,
               model::CellBuffers t, View own, View kept, bool for_sinks);
  void attend(Stream& stream, const model::Cell& cell, bool narrow, const model::CellBuffers& t,
              ConstView q_sinks);
  View selected(Stream& stream, View to, ConstView rows) const;
  size_t rule_of(const model::Cell& cell) const;

  Options options_;
  std::vector<model::LayerSpec> layers_;
  double rms_norm_eps_, rope_theta_;
  model::Dims dims_;  // B = 1, T = most_rows
  model::TensorParallel tp_;
  KvCache cache_;
  std::vector<KeyRule> rules_;  // that cells of this model can have
  std::vector<View> hidden_;    // [N, C] each
  View selected_hidden_, selected_normed_;
  View x_, rstd_, kv_, q_, q_kept_, q_sinks_, q_sinks_kept_, attn_, y_, gate_up_, act_;
  View rope_cos_, rope_sin_;
  KvWatch watch_;
  std::optional<StagedNumbers> numbers_;
  struct StagedPages {
    StagedNumbers numbers;
    ConstView device;  // [KvCache::rows(), pages of one]
    int64_t version = -1;
  };
  std::vector<StagedPages> pages_;  // per table
  std::map<std::pair<int64_t, bool>, model::Plan> plans_;
  std::vector<int> output_slot_;  // by cell of the plan at hand
  std::vector<bool> queries_shared_;
  Batch batch_;
  int64_t pass_ = 1;  // at hand, of those that are run
  PassReport report_;
};

}  // namespace lckv::infer
