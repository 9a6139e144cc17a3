#pragma once

#include "lckv/kernels/ops/grad_mode.h"
#include "lckv/tensor/stream.h"
#include "lckv/tensor/view.h"

namespace lckv::ops {

/// total[0] (+)= sum of x, in F64, in an order that depends on the size of x alone (not on
/// threads).
///
///   total  [1]  out   F64
///   x      any shape, contiguous   F32, F64 or BF16
void sum(Stream& stream, View total, ConstView x, GradMode mode);

/// total[0] (+)= sum of x^2, likewise. Infinite or NaN elements make it non-finite: the guard of
/// the update reads it.
void sum_of_squares(Stream& stream, View total, ConstView x, GradMode mode);

/// How far each row has moved, in F64, in an order that depends on C alone.
///
///   squares[n,0] = sum_c (x[n,c] - before[n,c])^2        squares[n,1] = sum_c x[n,c]^2
///
///   squares  [N, 2]  out   F64
///   x        [N, C]        F32, F64 or BF16; rows may be strided
///   before   [N, C]        dtype of x; rows may be strided
void row_changes(Stream& stream, View squares, ConstView x, ConstView before);

/// index[n] = the column of the largest x[n,j]; the first of equal ones. NaN is never the largest;
/// a row of NaN gives 0.
///
///   index  [N]     out   I32
///   x      [N, V]        F32 or F64; V >= 1, rows may be strided
void argmax(Stream& stream, View index, ConstView x);

/// Factor that limits a global norm: scale[0] = min(1, max_norm / (sqrt(sum_of_squares[0]) +
/// 1e-6)); 1 when max_norm is 0.
///
///   scale           [1]  out   F32 or F64
///   sum_of_squares  [1]        F64
void clip_scale(Stream& stream, View scale, ConstView sum_of_squares, double max_norm);

}  // namespace lckv::ops
