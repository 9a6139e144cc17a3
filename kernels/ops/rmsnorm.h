#pragma once

#include "lckv/kernels/ops/grad_mode.h"
#include "lckv/tensor/stream.h"
#include "lckv/tensor/view.h"

namespace lckv::ops {

/// Root-mean-square norm with a learned gain, row by row.
///
///   rstd[n] = 1 / sqrt(mean_c x[n,c]^2 + eps)        y[n,c] = w[c] * x[n,c] * rstd[n]
///
/// Zhang & Sennrich 2019, arXiv:1910.07467.
///
///   y     [N, C]  out   BF16, F32 or F64; no overlap with x, which backward reads
///   rstd  [N]     out   F32 (F64 if x is); keep it for rmsnorm_backward
///   x     [N, C]        dtype of y
///   w     [C]           dtype of y
///   eps                 added to the mean square; > 0
///
/// Sums run in F32 (F64 if x is), one rounding at the end. Queued on `stream`; returns before it
/// has run.
/// Throws ShapeError or DTypeError naming the argument; touches nothing then.
void rmsnorm_forward(Stream& stream, View y, View rstd, ConstView x, ConstView w, double eps);

/// Gradient of rmsnorm_forward.
///
///   g = w * dy       dx[n] (+)= rstd * (g - x * rstd^2 * mean_c(g * x))       dw[c] (+)= sum_n
///                    dy[n,c] * x[n,c] * rstd[n]
///
///   dx    [N, C]  out   F32 (F64 if x is): the gradient of the residual stream; written by dx_mode
///   dw    [C]     out   F32 (F64 if x is); written by dw_mode; rows summed in a fixed order
///   dy    [N, C]        dtype of x
///   x     [N, C], rstd [N], w [C]   as given to and by rmsnorm_forward
void rmsnorm_backward(Stream& stream, View dx, View dw, ConstView dy, ConstView x, ConstView rstd,
                      ConstView w, GradMode dx_mode, GradMode dw_mode);

}  // namespace lckv::ops
