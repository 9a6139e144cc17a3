#pragma once

#include "lckv/tensor/stream.h"
#include "lckv/tensor/view.h"

namespace lckv::ops {

/// Gated linear unit with SiLU.
///
///   act[n,f] = silu(gate[n,f]) * up[n,f],   silu(g) = g / (1 + exp(-g)),   gate = gate_up[:, 0:F],
///                                           up = gate_up[:, F:2F]
///
/// Shazeer 2020, arXiv:2002.05202.
///
///   act      [N, F]   out   BF16, F32 or F64
///   gate_up  [N, 2F]        dtype of act
///
/// Computed in F32 (F64 if act is), one rounding at the end.
void swiglu_forward(Stream& stream, View act, ConstView gate_up);

/// Gradient of swiglu_forward.
///
///   dup = dact * silu(gate)      dgate = dact * up * s * (1 + gate * (1 - s)),  s = sigmoid(gate)
///
///   dgate_up  [N, 2F]  out   dtype of gate_up; may be the same memory as gate_up
///   dact      [N, F]
///   gate_up   [N, 2F]
void swiglu_backward(Stream& stream, View dgate_up, ConstView dact, ConstView gate_up);

}  // namespace lckv::ops
