#pragma once

#include "lckv/tensor/stream.h"
#include "lckv/tensor/view.h"

namespace lckv::ops {

/// The target that is not scored: nll 0, gradient 0.
inline constexpr int kIgnoreTarget = -1;

/// Negative log-likelihood of each row's target.
///
///   nll[n] = log sum_v exp(logits[n,v]) - logits[n, targets[n]]       0 where targets[n] =
///     kIgnoreTarget
///
///   nll      [N]     out   F32 (F64 if logits are)
///   logits   [N, V]        F32 or F64
///   targets  [N]           I32 in [0, V) or kIgnoreTarget
void cross_entropy_forward(Stream& stream, View nll, ConstView logits, ConstView targets);

/// The same, and the gradient of  scale * sum_n nll[n]  in one go.
///
///   dlogits[n,v] = scale * (softmax(logits[n])[v] - [v = targets[n]])   0 where targets[n] =
///     kIgnoreTarget
///
///   dlogits  [N, V]  out   dtype of the model's activations: BF16 or F32 beside F32 logits, F64
///                          beside F64;
///                          may be the same memory as logits when the dtypes agree
///   scale    [1]           F64: 1 / number of scored targets of the global batch
void cross_entropy_forward_backward(Stream& stream, View nll, View dlogits, ConstView logits,
                                    ConstView targets, ConstView scale);

/// The columns of the logits that one rank has of a vocabulary split over ranks.
struct VocabularyPart {
  int64_t first_token = 0;  // column j is token first_token + j; >= 0
  int64_t columns = 0;      // those behind are padding: never read, whatever they hold
};

/// One rank's share of each row's loss; cross_entropy_join puts the shares of all ranks together.
///
///   part[0,n] = max_j logits[n,j]                          over the vocabulary.columns real ones
///   part[1,n] = sum_j exp(logits[n,j] - part[0,n])
///   part[2,n] = logits[n, targets[n] - first_token]        0 where the target is not one of them
///
/// Without a column, or with all of them at -inf: max -inf, sum 0.
///
///   part     [3, N]     out   F64
///   logits   [N, V_tp]        F32 or F64
///   targets  [N]              I32 in [0, V) or kIgnoreTarget: tokens, the same on every rank
///
/// NaN or +inf among a row's logits makes its sum NaN.
void cross_entropy_part(Stream& stream, View part, ConstView logits, ConstView targets,
                        const VocabularyPart& vocabulary);

/// Negative log-likelihood of each row's target, from the shares of all ranks.
///
///   total[0,n] = max_r parts[r,0,n]
///   total[1,n] = sum_r parts[r,1,n] * exp(parts[r,0,n] - total[0,n])
///   nll[n]     = log total[1,n] + total[0,n] - sum_r parts[r,2,n]       0 where targets[n] =
///     kIgnoreTarget
///
///   nll      [N]        out   F32 or F64
///   total    [2, N]     out   F64; keep it for cross_entropy_part_backward
///   parts    [R, 3, N]        F64: cross_entropy_part of every rank; R >= 1. Exactly one of them
///                             holds a row's target
///   targets  [N]              I32, those of the parts
///
/// Sums run in the order of r: equal parts give equal bits on every rank. NaN or +inf among a row's
/// logits, in whichever part, gives an nll that is not finite.
void cross_entropy_join(Stream& stream, View nll, View total, ConstView parts, ConstView targets);

/// One rank's columns of the gradient of  scale * sum_n nll[n].
///
///   dlogits[n,j] = scale * (exp(logits[n,j] - total[0,n]) / total[1,n]
///                           - [first_token + j = targets[n]])
///     0 on padding columns, and where targets[n] = kIgnoreTarget
///
///   dlogits  [N, V_tp]  out   BF16 or F32 beside F32 logits, F64 beside F64;
///                             may be the same memory as logits when the dtypes agree
///   logits   [N, V_tp]        those of cross_entropy_part
///   total    [2, N]           F64, of cross_entropy_join
///   targets  [N]              I32, those of the parts
///   scale    [1]              F64: 1 / number of scored targets of the global batch
void cross_entropy_part_backward(Stream& stream, View dlogits, ConstView logits, ConstView total,
                                 ConstView targets, const VocabularyPart& vocabulary,
                                 ConstView scale);

}  // namespace lckv::ops
