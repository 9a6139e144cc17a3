#pragma once

#include <cstdint>
#include <utility>
#include <vector>

#include "lckv/infer/passes.h"
#include "lckv/model/dims.h"
#include "lckv/model/layer_spec.h"
#include "lckv/model/tensor_parallel.h"
#include "lckv/tensor/arena.h"
#include "lckv/tensor/stream.h"

namespace lckv::infer {

/// Watches the K,V of layers that are read upward settle, pass after pass of a forward. Norms are
/// those of the whole model: functions that say so are collective over the ranks of a copy. K,V
/// heads that live on several ranks count once for each, all of them alike.
class KvWatch {
 public:
  struct Options {
    DType dtype = DType::kF32;
    int64_t most_rows = 1;
    bool converges = false;  // Passes::converge_eps will be used
    KvProbe probe{};
  };

  /// Takes its memory from `arena`, kind "activations": none unless something is to be measured.
  /// `tp` outlives it.
  KvWatch(Arena& arena, const std::vector<model::LayerSpec>& layers, const model::Dims& dims,
          const Options& options, const model::TensorParallel& tp);

  /// A forward begins.
  ///
  ///   entry_rows   rows of each entry, in the order of the forward
  void begin(const std::vector<int64_t>& entry_rows, double converge_eps);
  bool is_on() const { return is_on_; }
  bool watches(int layer) const { return place_[static_cast<size_t>(layer)] >= 0; }

  /// Where new tokens have their K,V in the cache.
  struct CachedKv {
    ConstView rows;   // [slots, 2*Ckv_tp]
    ConstView slots;  // [N] I32
    ConstView order;  // [N] I32: 0..N-1
  };
  /// The K,V that a pass has computed, before they replace those of the pass before.
  ///
  ///   pass   from 1
  ///   kv     [N, 2*Ckv_tp]
  void computed(Stream& stream, int layer, int64_t pass, ConstView kv, const CachedKv& before);

  /// Collective: reads the changes of a pass that has ended. Whether all have converged.
  bool end_pass(Stream& stream);

  /// Collective if the probe asks for anything: groups of layers have made their last pass, and the
  /// cache holds what they ended with.
  void end_group(Stream& stream);

  /// Of the forward, which has ended, but for PassReport::passes.
  PassReport take_report() { return std::move(report_); }

 private:
  struct Watched {
    View squares;     // [N, 2] F64: ops::row_changes
    View kept;        // [N, 2*Ckv_tp]: after KvProbe::distance_from passes, if that is asked for
    CachedKv cached;  // of this forward
    bool is_kept = false;
    bool has_moved = false;  // in the pass at hand
  };
  View cached(Stream& stream, const CachedKv& kv) const;
  std::vector<double> whole_squares(Stream& stream, const Watched& of) const;
  void note_rows(const std::vector<double>& squares, size_t pass_index);
  SquaredChange distance(Stream& stream, const Watched& of, const LayerChanges& changes);

  Options options_;
  const model::TensorParallel& tp_;
  std::vector<int> place_;  // by layer: in watched_; -1: not there
  std::vector<Watched> watched_;
  View before_;             // [N, 2*Ckv_tp]
  std::vector<int> group_;  // places of the group at hand
  std::vector<int64_t> entry_rows_;
  int64_t rows_ = 0;
  bool is_on_ = false;
  double converge_eps_ = 0;
  PassReport report_;
};

}  // namespace lckv::infer
