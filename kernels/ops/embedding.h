#pragma once

#include "lckv/kernels/ops/grad_mode.h"
#include "lckv/tensor/stream.h"
#include "lckv/tensor/view.h"

namespace lckv::ops {

/// Rows of a table: y[n] = w[tokens[n]].
///
///   y       [N, C]  out   BF16, F32 or F64
///   w       [V, C]        dtype of y
///   tokens  [N]           I32 in [0, V); the caller has checked them (the loader refuses others)
void embedding_forward(Stream& stream, View y, ConstView w, ConstView tokens);

/// Gradient of embedding_forward: dw[v] (+)= sum over n with tokens[n] = v of dy[n], in the order
/// of n.
///
///   dw      [V, C]  out   F32 (F64 if dy is)
///   dy      [N, C]        F32 or F64: the gradient of the residual stream
///   tokens  [N]           I32
///   mode                  kOverwrite also zeroes the rows of tokens that do not occur
void embedding_backward(Stream& stream, View dw, ConstView dy, ConstView tokens, GradMode mode);

}  // namespace lckv::ops
