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

/// Rows by number: to[to_row[i]] = from[from_row[i]] for every i.
///
///   to        [R, C]  out   BF16, F32 or F64; rows that no i names keep their values; rows may be
///                           strided
///   to_row    [M]           I32 in [0, R), no two equal; the caller has checked them
///   from      [S, C]        dtype of to, no overlap with it; rows may be strided
///   from_row  [M]           I32 in [0, S)
void copy_numbered_rows(Stream& stream, View to, ConstView to_row, ConstView from,
                        ConstView from_row);

}  // namespace lckv::ops
