#pragma once

#include <cstdint>
#include <span>
#include <vector>

#include "lckv/infer/sampling_filters.h"
#include "lckv/infer/sampling_options.h"
#include "lckv/tensor/view.h"

namespace lckv::infer {

/// Names the random numbers of one token: whatever else is generated at the same time, they are the
/// same.
struct Draw {
  uint64_t seed = 0;
  uint64_t stream = 0;   // one per sample of a request
  int64_t position = 0;  // in its sequence; below 2^32
};

struct TokenLogprob {
  int32_t token = 0;
  double logprob = 0;
};

/// Chooses tokens, on the host. Keeps scratch between calls: one sampler per thread.
class Sampler {
 public:
  /// The next token after `history`:
  ///
  ///   argmax_i p_i / e_i,   e_i ~ Exp(1) from CounterRng(seed, stream) at (position, i)
  ///
  /// over the tokens that the filters leave, which draws i with probability p_i; at temperature 0
  /// the first of the likeliest.
  ///
  ///   logits      [V] F32 or F64, in host memory; -inf: never this token
  ///   history     prompt and what was generated, for the penalties; any ids
  ///   forbidden   tokens that must not come
  ///
  /// Throws DataError when a logit is NaN or +inf, or when no token is left.
  int32_t sample(ConstView logits, const SamplingOptions& options, std::span<const int32_t> history,
                 std::span<const int32_t> forbidden, const Draw& draw);

 private:
  void collect(ConstView logits, std::span<const int32_t> forbidden);
  void filter(const SamplingOptions& options, std::span<const int32_t> history);

  std::vector<Candidate> candidates_;
  std::vector<int32_t> counts_;  // by token id, all zero
};

/// Of the model itself, before any filter: log-softmax of the logits.
struct Logprobs {
  TokenLogprob chosen;
  std::vector<TokenLogprob> top;  // the likeliest first, of equal ones the lower id
};

/// Throws DataError as Sampler does.
///
///   count   how many of the likeliest, at most
Logprobs logprobs_of(ConstView logits, int32_t chosen, int64_t count);

}  // namespace lckv::infer
