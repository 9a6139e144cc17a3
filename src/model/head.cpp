#include "lckv/model/head.h"

#include <algorithm>

#include "lckv/kernels/ops/copy.h"
#include "lckv/kernels/ops/matmul.h"
#include "lckv/kernels/ops/rmsnorm.h"

namespace lckv::model {

using ops::GradMode;

// Fewer rows read and write the head's gradient [V, C] more often; more take more memory (1024 rows
// of 32000 F32 logits are 125 MiB).
int64_t Head::most_chunk_rows(Device device) {
  return device.kind == DeviceKind::kCpu ? 1024 : 8192;
}

Head::Head(Arena& arena, const config::ModelConfig& config, const Dims& d, DType dtype,
           bool training, const TensorParallel& tp)
    : rms_norm_eps_(config.rms_norm_eps),
      tp_(tp),
      chunk_rows_(std::min(d.N(), most_chunk_rows(arena.device()))),
      vocabulary_{d.V_begin(tp.group().rank()), d.V_extent(tp.group().rank())} {
  const DType acc = accumulator(dtype);
  x_ = arena.take("head", "head.x", dtype, {d.N(), d.C});
  rstd_ = arena.take("head", "head.rstd", acc, {d.N_tp()});
  nll_ = arena.take("head", "head.nll", acc, {d.N()});
  logits_ = arena.take("head", "head.logits", acc, {chunk_rows_, d.V_tp()});
  if (tp.is_split()) {
    parts_ = arena.take("head", "head.parts", DType::kF64, {d.tp * 3 * chunk_rows_});
    total_ = arena.take("head", "head.total", DType::kF64, {2 * chunk_rows_});
  }
  if (!training) return;
  dx_ = arena.take("head", "head.dx", dtype, {d.N(), d.C});
  dlogits_ =
      acc == dtype ? logits_ : arena.take("head", "head.dlogits", dtype, {chunk_rows_, d.V_tp()});
}

void Head::normalize(Stream& stream, const ParameterSet& weights, ConstView hidden) {
  ops::rmsnorm_forward(stream, tp_.own_rows(x_), rstd_, hidden, weights.norm(), rms_norm_eps_);
  tp_.gather_rows(stream, x_, "tp head in");
}

/// nll of a chunk of rows, and what its gradient needs: [2, rows].
View Head::joined_total(Stream& stream, View nll, View logits, ConstView targets) {
  const int64_t rows = logits.dim(0), tp = tp_.group().size(), rank = tp_.group().rank();
  const View parts = parts_.slice(0, 0, tp * 3 * rows);
  const View own = parts.slice(0, rank * 3 * rows, (rank + 1) * 3 * rows);
  const View total = total_.slice(0, 0, 2 * rows).reshape({2, rows});
  ops::cross_entropy_part(stream, own.reshape({3, rows}), logits, targets, vocabulary_);
  tp_.group().all_gather(stream, parts, own, "tp loss");
  ops::cross_entropy_join(stream, nll, total, parts.reshape({tp, 3, rows}), targets);
  return total;
}

void Head::chunk_nll(Stream& stream, View nll, View logits, ConstView targets) {
  if (tp_.is_split()) {
    joined_total(stream, nll, logits, targets);
  } else {
    ops::cross_entropy_forward(stream, nll, logits, targets);
  }
}

void Head::chunk_nll_and_gradient(Stream& stream, View nll, View dlogits, View logits,
                                  ConstView targets, ConstView scale) {
  if (tp_.is_split()) {
    const View total = joined_total(stream, nll, logits, targets);
    ops::cross_entropy_part_backward(stream, dlogits, logits, total, targets, vocabulary_, scale);
  } else {
    ops::cross_entropy_forward_backward(stream, nll, dlogits, logits, targets, scale);
  }
}

ConstView Head::score(Stream& stream, const ParameterSet& weights, ConstView hidden,
                      ConstView targets) {
  normalize(stream, weights, hidden);
  for (int64_t begin = 0; begin < x_.dim(0); begin += chunk_rows_) {
    const int64_t end = std::min(begin + chunk_rows_, x_.dim(0));
    const View logits = logits_.slice(0, 0, end - begin);
    ops::matmul_forward(stream, logits, x_.slice(0, begin, end), weights.head());
    chunk_nll(stream, nll_.slice(0, begin, end), logits, targets.slice(0, begin, end));
  }
  return nll_;
}

ConstView Head::score_with_gradient(Stream& stream, const ParameterSet& weights,
                                    const ParameterSet& gradients, ConstView hidden,
                                    ConstView targets, View dhidden, ConstView scale,
                                    GradMode mode) {
  normalize(stream, weights, hidden);
  GradMode head_mode = mode;
  for (int64_t begin = 0; begin < x_.dim(0); begin += chunk_rows_) {
    const int64_t end = std::min(begin + chunk_rows_, x_.dim(0));
    const ConstView x = x_.slice(0, begin, end);
    const View logits = logits_.slice(0, 0, end - begin);
    const View dlogits = dlogits_.slice(0, 0, end - begin);
    ops::matmul_forward(stream, logits, x, weights.head());
    chunk_nll_and_gradient(stream, nll_.slice(0, begin, end), dlogits, logits,
                           targets.slice(0, begin, end), scale);
    // logits = matmul(x, head)
    ops::matmul_backward_weight(stream, gradients.head(), dlogits, x, head_mode);
    ops::matmul_backward_input(stream, dx_.slice(0, begin, end), dlogits, weights.head(),
                               GradMode::kOverwrite);
    head_mode = GradMode::kAccumulate;
  }
  // x was read by every rank: its gradient is the sum of theirs
  tp_.sum_partials(stream, dx_, "tp head dx");
  // x = rmsnorm(hidden)
  ops::rmsnorm_backward(stream, dhidden, gradients.norm(), tp_.own_rows(dx_), hidden, rstd_,
                        weights.norm(), GradMode::kOverwrite, mode);
  return nll_;
}

void Head::logits(Stream& stream, const ParameterSet& weights, ConstView hidden, View logits) {
  normalize(stream, weights, hidden);
  if (!tp_.is_split()) {
    ops::matmul_forward(stream, logits, x_, weights.head());
    return;
  }
  const int64_t tp = tp_.group().size(), N = x_.dim(0), V_tp = weights.head().dim(0);
  const Buffer all(logits.dtype(), {tp * N * V_tp}, logits.device());
  const int64_t part = N * V_tp, rank = tp_.group().rank();
  const View own = all.view().slice(0, rank * part, (rank + 1) * part);
  ops::matmul_forward(stream, own.reshape({N, V_tp}), x_, weights.head());
  tp_.group().all_gather(stream, all.view(), own, "tp logits");
  const int64_t V = logits.dim(1);
  for (int64_t r = 0; r < tp; ++r) {
    const int64_t begin = std::min(r * V_tp, V), end = std::min(begin + V_tp, V);  // as Dims says
    if (begin == end) continue;
    const View theirs = all.view().slice(0, r * part, (r + 1) * part).reshape({N, V_tp});
    ops::copy(stream, logits.slice(1, begin, end), theirs.slice(1, 0, end - begin));
  }
  stream.synchronize();  // before `all` goes
}

}  // namespace lckv::model
