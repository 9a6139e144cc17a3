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
///   scale                  1 / number of scored targets of the global batch
void cross_entropy_forward_backward(Stream& stream, View nll, View dlogits, ConstView logits,
                                    ConstView targets, double scale);

}  // namespace lckv::ops
