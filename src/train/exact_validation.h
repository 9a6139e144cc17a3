#pragma once

#include <atomic>
#include <vector>

#include "lckv/config/run.h"
#include "lckv/data/loader.h"
#include "lckv/eval/row_scorer.h"

namespace lckv::train {

/// The loss of validation tokens at the fixed point of the iterated layers, which decoding
/// computes, beside the one of the passes that are trained: a model may do well in its m + b passes
/// and be wrong where they lead.
struct ExactLoss {
  double loss = 0;      // mean over all scored tokens, in nats
  double own_loss = 0;  // of the same tokens, in the passes of training
  int64_t passes = 0;   // most that a forward took to converge; 1 where no layer is iterated
  int64_t tokens = 0;   // scored
  double elapsed_s = 0;

  double gap() const { return loss - own_loss; }
};

/// Whether validations of the run are scored exactly too.
bool validates_exactly(const config::RunConfig& run);

/// Whether they tell how keys and values settle: eval.kv_convergence.
bool tells_kv_convergence(const config::RunConfig& run);

/// When passes of the exact validation end: eval.converge_eps, else 1e-6, or the rounding of keys
/// and values of this type where that is coarser.
double converge_eps(const config::EvalConfig& eval, DType dtype);

/// How many of the validation's tokens are scored exactly; 0: all of the store. All that are scored
/// where no layer is iterated: it costs nothing.
int64_t exact_tokens(const config::RunConfig& run);

/// The loss over rows that score each of their targets (eval/perplexity_rows.h), by a scorer whose
/// mode is ForwardMode::converge. `own_loss` is left at 0. Collective over the grid `ranks`, the
/// scorer's, with equal rows; the same bits on every rank. Throws Interrupted on all ranks when
/// `stop` is set on any.
ExactLoss score_exactly(Stream& stream, eval::RowScorer& scorer,
                        const std::vector<eval::TokenPair>& rows, const comm::Communicators& ranks,
                        const std::atomic<bool>& stop);

}  // namespace lckv::train
