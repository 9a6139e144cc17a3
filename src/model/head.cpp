#include "lckv/model/head.h"

#include <algorithm>

#include "lckv/kernels/ops/cross_entropy.h"
#include "lckv/kernels/ops/matmul.h"
#include "lckv/kernels/ops/rmsnorm.h"

namespace lckv::model {

using ops::GradMode;

namespace {

// Rows of logits at once. Fewer rows read and write the head's gradient [V, C] more often; more
// take more memory (1024 rows of 32000 F32 logits are 125 MiB).
constexpr int64_t kChunkRows = 1024;

}  // namespace

Head::Head(Arena& arena, const config::ModelConfig& config, const Dims& d, DType dtype,
           bool training)
    : rms_norm_eps_(config.rms_norm_eps), chunk_rows_(std::min(d.N(), kChunkRows)) {
  const DType acc = accumulator(dtype);
  x_ = arena.take("head", "head.x", dtype, {d.N(), d.C});
  rstd_ = arena.take("head", "head.rstd", acc, {d.N()});
  nll_ = arena.take("head", "head.nll", acc, {d.N()});
  logits_ = arena.take("head", "head.logits", acc, {chunk_rows_, d.V});
  if (!training) return;
  dx_ = arena.take("head", "head.dx", dtype, {d.N(), d.C});
  dlogits_ = acc == dtype ? logits_ : arena.take("head", "head.dlogits", dtype, {chunk_rows_, d.V});
}

void Head::normalize(Stream& stream, const ParameterSet& weights, ConstView hidden) {
  ops::rmsnorm_forward(stream, x_, rstd_, hidden, weights.norm(), rms_norm_eps_);
}

ConstView Head::score(Stream& stream, const ParameterSet& weights, ConstView hidden,
                      ConstView targets) {
  normalize(stream, weights, hidden);
  for (int64_t begin = 0; begin < x_.dim(0); begin += chunk_rows_) {
    const int64_t end = std::min(begin + chunk_rows_, x_.dim(0));
    const View logits = logits_.slice(0, 0, end - begin);
    ops::matmul_forward(stream, logits, x_.slice(0, begin, end), weights.head());
    ops::cross_entropy_forward(stream, nll_.slice(0, begin, end), logits,
                               targets.slice(0, begin, end));
  }
  return nll_;
}

ConstView Head::score_with_gradient(Stream& stream, const ParameterSet& weights,
                                    const ParameterSet& gradients, ConstView hidden,
                                    ConstView targets, View dhidden, double scale, GradMode mode) {
  normalize(stream, weights, hidden);
  GradMode head_mode = mode;
  for (int64_t begin = 0; begin < x_.dim(0); begin += chunk_rows_) {
    const int64_t end = std::min(begin + chunk_rows_, x_.dim(0));
    const ConstView x = x_.slice(0, begin, end);
    const View logits = logits_.slice(0, 0, end - begin);
    const View dlogits = dlogits_.slice(0, 0, end - begin);
    ops::matmul_forward(stream, logits, x, weights.head());
    ops::cross_entropy_forward_backward(stream, nll_.slice(0, begin, end), dlogits, logits,
                                        targets.slice(0, begin, end), scale);
    // logits = matmul(x, head)
    ops::matmul_backward_weight(stream, gradients.head(), dlogits, x, head_mode);
    ops::matmul_backward_input(stream, dx_.slice(0, begin, end), dlogits, weights.head(),
                               GradMode::kOverwrite);
    head_mode = GradMode::kAccumulate;
  }
  // x = rmsnorm(hidden)
  ops::rmsnorm_backward(stream, dhidden, gradients.norm(), dx_, hidden, rstd_, weights.norm(),
                        GradMode::kOverwrite, mode);
  return nll_;
}

void Head::logits(Stream& stream, const ParameterSet& weights, ConstView hidden, View logits) {
  normalize(stream, weights, hidden);
  ops::matmul_forward(stream, logits, x_, weights.head());
}

}  // namespace lckv::model
