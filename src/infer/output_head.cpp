#include "lckv/infer/output_head.h"

#include <algorithm>

#include "lckv/base/error.h"
#include "lckv/base/text.h"
#include "lckv/kernels/ops/copy.h"
#include "lckv/kernels/ops/cross_entropy.h"
#include "lckv/kernels/ops/matmul.h"
#include "lckv/kernels/ops/reduce.h"
#include "lckv/kernels/ops/rmsnorm.h"
#include "lckv/model/head.h"
#include "lckv/tensor/transfer.h"

namespace lckv::infer {

OutputHead::OutputHead(Arena& arena, const config::ModelConfig& config, const model::Dims& dims,
                       const Options& options, const model::TensorParallel& tp)
    : tp_(tp), rms_norm_eps_(config.rms_norm_eps), V_(dims.V), numbers_(arena, options.most_rows) {
  const DType acc = accumulator(options.dtype);
  const int64_t chunk = std::min(options.most_rows, model::Head::most_chunk_rows(arena.device()));
  x_ = arena.take("head", "x", options.dtype, {chunk, dims.C});
  rstd_ = arena.take("head", "rstd", acc, {chunk});
  if (tp.is_split()) parts_ = arena.take("head", "parts", acc, {dims.tp * chunk * dims.V_tp()});
  logits_ = arena.take("head", "logits", acc, {chunk, dims.V});
  if (options.bf16_logits) {
    rounded_ = arena.take("head", "logits in bf16", DType::kBF16, {chunk, dims.V});
  }
  nll_ = arena.take("head", "nll", acc, {chunk});
  best_ = arena.take("head", "best", DType::kI32, {chunk});
}

ConstView OutputHead::logits(Stream& stream, const model::ParameterSet& weights, ConstView hidden) {
  const int64_t M = hidden.dim(0), V_tp = weights.head().dim(0);
  LCKV_CHECK(M <= chunk_rows(), format("logits of {} rows, {} at most", M, chunk_rows()));
  const View x = x_.slice(0, 0, M), logits = logits_.slice(0, 0, M);
  ops::rmsnorm_forward(stream, x, rstd_.slice(0, 0, M), hidden, weights.norm(), rms_norm_eps_);
  if (tp_.is_split()) {
    const int64_t part = M * V_tp, rank = tp_.group().rank(), tp = tp_.group().size();
    const View all = parts_.slice(0, 0, tp * part);
    const View own = all.slice(0, rank * part, (rank + 1) * part);
    ops::matmul_forward(stream, own.reshape({M, V_tp}), x, weights.head());
    tp_.group().all_gather(stream, all, own, "tp logits");
    for (int64_t r = 0; r < tp; ++r) {
      const int64_t begin = std::min(r * V_tp, V_), end = std::min(begin + V_tp, V_);
      if (begin == end) continue;
      ops::copy(stream, logits.slice(1, begin, end),
                all.slice(0, r * part, (r + 1) * part).reshape({M, V_tp}).slice(1, 0, end - begin));
    }
  } else {
    ops::matmul_forward(stream, logits, x, weights.head());
  }
  if (rounded_) {
    const View rounded = rounded_.slice(0, 0, M);
    ops::copy(stream, rounded, logits);
    ops::copy(stream, logits, rounded);
  }
  return logits;
}

std::vector<OutputHead::Score> OutputHead::score(Stream& stream, const model::ParameterSet& weights,
                                                 ConstView hidden,
                                                 std::span<const Target> targets) {
  std::vector<Score> scores(targets.size());
  size_t next = 0;
  for (int64_t begin = 0; next < targets.size(); begin += chunk_rows()) {
    const int64_t end = std::min(begin + chunk_rows(), hidden.dim(0));
    LCKV_CHECK(begin < end, format("target of row {} of {}", targets[next].row, hidden.dim(0)));
    const size_t first = next;
    while (next < targets.size() && targets[next].row < end) ++next;
    if (first == next) continue;
    const ConstView chunk = logits(stream, weights, hidden.slice(0, begin, end));
    score_chunk(stream, chunk, begin, targets.subspan(first, next - first),
                std::span(scores).subspan(first, next - first));
  }
  return scores;
}

/// Rounds: in each, every row's next target.
void OutputHead::score_chunk(Stream& stream, ConstView logits, int64_t first_row,
                             std::span<const Target> targets, std::span<Score> scores) {
  const View best = best_.slice(0, 0, logits.dim(0)), nll = nll_.slice(0, 0, logits.dim(0));
  ops::argmax(stream, best, logits);
  const Buffer found = to_host(stream, best);
  std::vector<bool> done(targets.size(), false);
  for (size_t left = targets.size(); left > 0;) {
    numbers_.begin();
    const StagedNumbers::Piece piece = numbers_.take(logits.dim(0));
    std::fill(piece.host.begin(), piece.host.end(), ops::kIgnoreTarget);
    std::vector<size_t> taken;
    for (size_t i = 0; i < targets.size(); ++i) {
      int32_t& target = piece.host[static_cast<size_t>(targets[i].row - first_row)];
      if (done[i] || target != ops::kIgnoreTarget) continue;
      target = targets[i].token;
      taken.push_back(i);
      done[i] = true;
    }
    left -= taken.size();
    numbers_.send(stream);
    ops::cross_entropy_forward(stream, nll, logits, piece.device);
    const Buffer values = to_host(stream, nll);
    for (const size_t i : taken) {
      const auto row = static_cast<size_t>(targets[i].row - first_row);
      scores[i] = {values.view().dtype() == DType::kF64
                       ? values.view().data<double>()[row]
                       : static_cast<double>(values.view().data<float>()[row]),
                   found.view().data<int32_t>()[row]};
    }
  }
}

}  // namespace lckv::infer
