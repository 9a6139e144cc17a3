#pragma once

#include "lckv/tensor/stream.h"
#include "lckv/tensor/view.h"

namespace lckv::ops {

/// Rotary position embedding, half split, in place.
///
///   x1 = x[.., 0:D/2], x2 = x[.., D/2:D]:   (x1 cos - x2 sin, x2 cos + x1 sin),   angle = position
///                                           * theta^(-2j/D)
///
/// Su et al. 2021, arXiv:2104.09864; element j is paired with element j + D/2 (spec section 8).
///
///   x          [N, H, D]  in/out   BF16, F32 or F64; rows may be strided, D even and contiguous
///   cos, sin   [P, D/2]            F32 (F64 if x is), from rope_tables
///   positions  [N]                 I32, each in [0, P)
void rope_forward(Stream& stream, View x, ConstView cos, ConstView sin, ConstView positions);

/// Gradient of rope_forward: the rotation by the negative angle, in place on dx. Arguments as
/// above.
void rope_backward(Stream& stream, View dx, ConstView cos, ConstView sin, ConstView positions);

/// Fills the tables of rope_forward for positions 0..P-1. Frequencies and angles are computed in
/// F64, rounded once.
///
///   cos, sin   [P, D/2]  out   F32 or F64
void rope_tables(Stream& stream, View cos, View sin, double theta);

}  // namespace lckv::ops
