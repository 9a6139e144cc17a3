#include "lckv/infer/kv_watch.h"

#include <algorithm>
#include <numeric>

#include "lckv/base/error.h"
#include "lckv/kernels/ops/copy.h"
#include "lckv/kernels/ops/reduce.h"
#include "lckv/tensor/transfer.h"

namespace lckv::infer {

namespace {

SquaredChange sum_of_rows(const std::vector<double>& squares, int64_t begin, int64_t end) {
  SquaredChange sum;
  for (auto row = static_cast<size_t>(begin); row < static_cast<size_t>(end); ++row) {
    sum.add({squares[2 * row], squares[2 * row + 1]});
  }
  return sum;
}

}  // namespace

KvWatch::KvWatch(Arena& arena, const std::vector<model::LayerSpec>& layers, const model::Dims& dims,
                 const Options& options, const model::TensorParallel& tp)
    : options_(options), tp_(tp), place_(layers.size(), -1) {
  LCKV_CHECK(options.probe.distance_from == 0 || options.probe.changes,
             "distances of K,V without their changes");
  if (!options.converges && !options.probe.changes) return;
  for (const model::LayerSpec& layer : layers) {
    if (layer.upward) place_[static_cast<size_t>(layer.reads)] = 0;
  }
  const Shape kv{options.most_rows, 2 * dims.Ckv_tp()};
  for (int& place : place_) {
    if (place < 0) continue;
    place = static_cast<int>(watched_.size());
    Watched layer;
    layer.squares = arena.take("activations", "kv changes", DType::kF64, {options.most_rows, 2});
    if (options.probe.distance_from > 0) {
      layer.kept = arena.take("activations", "kv kept", options.dtype, kv);
    }
    watched_.push_back(layer);
  }
  if (!watched_.empty()) before_ = arena.take("activations", "kv before", options.dtype, kv);
}

void KvWatch::begin(const std::vector<int64_t>& entry_rows, double converge_eps) {
  is_on_ = !watched_.empty() && (converge_eps > 0 || options_.probe.changes);
  converge_eps_ = converge_eps;
  entry_rows_ = entry_rows;
  rows_ = std::accumulate(entry_rows.begin(), entry_rows.end(), int64_t{0});
  group_.clear();
  for (Watched& layer : watched_) layer.is_kept = layer.has_moved = false;
  report_ = {};
  if (is_on_) report_.layers.resize(watched_.size());
}

/// What the cache holds, in before_.
View KvWatch::cached(Stream& stream, const CachedKv& kv) const {
  const View rows = before_.slice(0, 0, rows_);
  ops::copy_numbered_rows(stream, rows, kv.order, kv.rows, kv.slots);
  return rows;
}

void KvWatch::computed(Stream& stream, int layer, int64_t pass, ConstView kv,
                       const CachedKv& before) {
  const int place = place_[static_cast<size_t>(layer)];
  Watched& of = watched_[static_cast<size_t>(place)];
  if (pass == 1) {
    group_.push_back(place);
    of.cached = before;
  } else {
    const View old = cached(stream, before);
    ops::row_changes(stream, of.squares.slice(0, 0, rows_), kv, old);
    of.has_moved = true;
  }
  if (pass != options_.probe.distance_from) return;
  ops::copy(stream, of.kept.slice(0, 0, rows_), kv);
  of.is_kept = true;
}

/// [rows, 2], over all ranks.
std::vector<double> KvWatch::whole_squares(Stream& stream, const Watched& of) const {
  const View own = of.squares.slice(0, 0, rows_);
  tp_.group().all_reduce(stream, own.reshape({2 * rows_}), comm::ReduceOp::kSum,
                         "tp change of K,V");
  const Buffer host = to_host(stream, own);
  const double* const squares = host.view().data<double>();
  return {squares, squares + 2 * rows_};
}

/// The largest among the layers that have told theirs of this pass.
void KvWatch::note_rows(const std::vector<double>& squares, size_t pass_index) {
  if (!options_.probe.changes) return;
  if (report_.rows.size() <= pass_index) report_.rows.resize(pass_index + 1);
  std::vector<float>& changes = report_.rows[pass_index];
  changes.resize(static_cast<size_t>(rows_), 0);
  for (size_t row = 0; row < changes.size(); ++row) {
    const SquaredChange change{squares[2 * row], squares[2 * row + 1]};
    changes[row] = std::max(changes[row], static_cast<float>(change.relative()));
  }
}

bool KvWatch::end_pass(Stream& stream) {
  bool all_converged = true;
  for (const int place : group_) {
    Watched& of = watched_[static_cast<size_t>(place)];
    if (!of.has_moved) continue;
    of.has_moved = false;
    const std::vector<double> squares = whole_squares(stream, of);
    std::vector<SquaredChange>& passes = report_.layers[static_cast<size_t>(place)].passes;
    note_rows(squares, passes.size());
    SquaredChange whole;
    int64_t begin = 0;
    for (const int64_t rows : entry_rows_) {
      const SquaredChange entry = sum_of_rows(squares, begin, begin + rows);
      all_converged = all_converged && entry.relative() <= converge_eps_;
      whole.add(entry);
      begin += rows;
    }
    passes.push_back(whole);
  }
  return all_converged;
}

void KvWatch::end_group(Stream& stream) {
  for (const int place : group_) {
    if (!options_.probe.changes) break;
    const auto at = static_cast<size_t>(place);
    LayerChanges& changes = report_.layers[at];
    changes.distance = distance(stream, watched_[at], changes);
    changes.size = changes.distance.size;
  }
  group_.clear();
}

SquaredChange KvWatch::distance(Stream& stream, const Watched& of, const LayerChanges& changes) {
  if (!of.is_kept && !changes.passes.empty()) return {0, changes.passes.back().size};
  const View last = cached(stream, of.cached);
  ops::row_changes(stream, of.squares.slice(0, 0, rows_), last,
                   of.is_kept ? of.kept.slice(0, 0, rows_) : last);
  return sum_of_rows(whole_squares(stream, of), 0, rows_);
}

}  // namespace lckv::infer
