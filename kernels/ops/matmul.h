#pragma once

#include "lckv/kernels/ops/grad_mode.h"
#include "lckv/tensor/stream.h"
#include "lckv/tensor/view.h"

namespace lckv::ops {

/// Linear layer without bias: y[n,o] = sum_k x[n,k] * w[o,k], i.e. Y = X W^T.
///
///   y  [N, O]  out   dtype of x, or F32 when x is BF16 (logits)
///   x  [N, K]        BF16, F32 or F64
///   w  [O, K]        dtype of x
///
/// Columns contiguous, rows may be strided. Sums run in F32 (F64 if x is), one rounding at the end.
/// The order of the sum is fixed for given shapes and thread count. N = 0 does nothing.
void matmul_forward(Stream& stream, View y, ConstView x, ConstView w);

/// The same plus a residual, rounded once: Y = X W^T + R.
///
///   y         [N, O]  out   dtype of x; no overlap with residual
///   residual  [N, O]        dtype of x
void matmul_add_forward(Stream& stream, View y, ConstView x, ConstView w, ConstView residual);

/// Gradient to the input: dX (+)= dY W.
///
///   dx  [N, K]  out   dtype of dy, or F32 when dy is BF16
///   dy  [N, O]
///   w   [O, K]        dtype of dy
void matmul_backward_input(Stream& stream, View dx, ConstView dy, ConstView w, GradMode mode);

/// Gradient to the weight: dW (+)= dY^T X.
///
///   dw  [O, K]  out   F32 (F64 if x is)
///   dy  [N, O]        dtype of x
///   x   [N, K]
void matmul_backward_weight(Stream& stream, View dw, ConstView dy, ConstView x, GradMode mode);

}  // namespace lckv::ops
