#pragma once

#include "lckv/kernels/ops/grad_mode.h"
#include "lckv/tensor/stream.h"
#include "lckv/tensor/view.h"

namespace lckv::ops {

/// Rows of a table, or of one rank's part of it: the tokens first_token .. first_token + V_tp - 1.
///
///   y[n] = w[tokens[n] - first_token]       0 where the token is in another part
///
/// The sum of y over the parts is y of the whole table.
///
///   y            [N, C]     out   BF16, F32 or F64
///   w            [V_tp, C]        dtype of y; rows behind the vocabulary are padding that no token
///                                 reads
///   tokens       [N]              I32 in [0, V); the caller has checked them (the loader refuses
///                                 others): nothing here can tell a token of another part from a
///                                 wrong one
///   first_token                   token of row 0; >= 0. Whole table: 0, with V_tp = V
void embedding_forward(Stream& stream, View y, ConstView w, ConstView tokens,
                       int64_t first_token = 0);

/// Gradient of embedding_forward: dw[v] (+)= sum over n with tokens[n] = first_token + v of dy[n],
/// in the order of n.
///
///   dw           [V_tp, C]  out   F32 (F64 if dy is)
///   dy           [N, C]           F32 or F64: the gradient of the residual stream
///   tokens       [N]              I32
///   mode                          kOverwrite also zeroes the rows of tokens that do not occur, and
///                                 padding
///   first_token                   that of the forward
void embedding_backward(Stream& stream, View dw, ConstView dy, ConstView tokens, GradMode mode,
                        int64_t first_token = 0);

}  // namespace lckv::ops
