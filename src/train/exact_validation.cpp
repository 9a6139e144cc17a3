#include "lckv/train/exact_validation.h"

#include <algorithm>

#include "lckv/base/clock.h"
#include "lckv/model/layer_spec.h"
#include "lckv/train/run_inputs.h"

namespace lckv::train {

namespace {

constexpr int64_t kSequences = 32;  // scored exactly unless told otherwise
constexpr double kEps = 1e-6;
constexpr double kBf16Rounding = 0x1p-8;

}  // namespace

bool validates_exactly(const config::RunConfig& run) {
  if (!run.eval.is_on() || run.data.validation.empty()) return false;
  if (run.eval.exact_validation == config::ExactValidation::kAuto) {
    return model::is_iterated(run.model);
  }
  return run.eval.exact_validation == config::ExactValidation::kTrue;
}

bool tells_kv_convergence(const config::RunConfig& run) {
  return run.eval.kv_convergence != config::KvConvergence::kFalse && validates_exactly(run) &&
         model::is_iterated(run.model);
}

double converge_eps(const config::EvalConfig& eval, DType dtype) {
  if (eval.converge_eps > 0) return eval.converge_eps;
  return dtype == DType::kBF16 ? std::max(kEps, kBf16Rounding) : kEps;
}

int64_t exact_tokens(const config::RunConfig& run) {
  const int64_t T = run.data.sequence_tokens, all = validation_tokens(run);
  if (!model::is_iterated(run.model)) return all;
  const int64_t tokens = run.eval.exact_tokens.value_or(kSequences * T);
  if (tokens == 0) return all;
  return all > 0 ? std::min(std::max(tokens, T), all) : std::max(tokens, T);
}

ExactLoss score_exactly(Stream& stream, eval::RowScorer& scorer,
                        const std::vector<eval::TokenPair>& rows, const comm::Communicators& ranks,
                        const std::atomic<bool>& stop) {
  const Stopwatch watch;
  scorer.forget_work();
  const std::vector<eval::RequestScore> scores = scorer.score(stream, rows, &stop);
  ExactLoss exact;
  for (size_t r = 0; r < rows.size(); ++r) {
    exact.loss -= scores[r].ll;
    exact.tokens += rows[r].scored;
  }
  if (exact.tokens > 0) exact.loss /= static_cast<double>(exact.tokens);
  auto passes = static_cast<int32_t>(scorer.work().most_passes);  // of this copy of the model
  Stream host;
  ranks.world->all_reduce(host, View(&passes, DType::kI32, {1}), comm::ReduceOp::kMax, "passes");
  exact.passes = passes;
  exact.elapsed_s = watch.elapsed_s();
  return exact;
}

}  // namespace lckv::train
