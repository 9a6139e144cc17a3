#pragma once

#include "lckv/tensor/stream.h"
#include "lckv/tensor/view.h"

namespace lckv::ops {

/// to = from, elementwise, with a cast between BF16, F32 and F64 (rounding to nearest even). Equal
/// shapes; rank <= 2 may have strided rows, others are contiguous.
void copy(Stream& stream, View to, ConstView from);

/// x = 0. Contiguous.
void fill_zero(Stream& stream, View x);

/// to += from, in the dtype of `to`. Contiguous, equal shapes; `from` may be narrower.
void add(Stream& stream, View to, ConstView from);

}  // namespace lckv::ops
