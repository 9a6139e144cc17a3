#pragma once

#include <initializer_list>

#include "lckv/tensor/stream.h"
#include "lckv/tensor/view.h"

// What an op asks of its arguments before any backend sees them. Every function returns or throws,
// with the op, the argument, the expected and the actual value in the message; none touches the
// memory.
namespace lckv::ops {

struct NamedView {
  const char* name;  // the argument's name in the op's header
  const ConstView& view;
};

/// Every view is given, lies on the stream's device and has memory unless it has no elements. Call
/// it first. Throws ShapeError (missing, no memory) or DTypeError (device).
void require_on_device(const char* op, const Stream& stream,
                       std::initializer_list<NamedView> views);

/// Throws ShapeError.
void require_rank(const char* op, const char* argument, const ConstView& view, int rank);
/// Throws ShapeError.
void require_shape(const char* op, const char* argument, const ConstView& view,
                   const Shape& expected);
/// Throws DTypeError unless the dtype is the one, or one of those, expected.
void require_dtype(const char* op, const char* argument, const ConstView& view, DType expected);
void require_dtype(const char* op, const char* argument, const ConstView& view,
                   std::initializer_list<DType> expected);
/// BF16, F32 or F64. Throws DTypeError.
void require_float(const char* op, const char* argument, const ConstView& view);

/// Throws ShapeError.
void require_contiguous(const char* op, const char* argument, const ConstView& view);
/// The last axis is contiguous, the others may be strided. Throws ShapeError.
void require_row_contiguous(const char* op, const char* argument, const ConstView& view);
/// The address ranges of the two share no byte. Throws ShapeError.
void require_no_overlap(const char* op, NamedView a, NamedView b);
/// The two share no byte, or are the same memory under the same dtype and strides. Throws
/// ShapeError.
void require_same_or_no_overlap(const char* op, NamedView a, NamedView b);

/// A scalar argument that does not satisfy its condition. Throws ShapeError "op: <condition>, got
/// <value>".
void require_value(bool satisfied, const char* op, const char* condition, double value);

}  // namespace lckv::ops
