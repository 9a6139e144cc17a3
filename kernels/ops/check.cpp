#include "lckv/kernels/ops/check.h"

#include <algorithm>
#include <string>

#include "lckv/base/text.h"

namespace lckv::ops {

void require_on_device(const char* op, const Stream& stream,
                       std::initializer_list<NamedView> views) {
  for (const auto& [argument, view] : views) {
    if (!view) throw ShapeError(format("{}: {} is missing", op, argument));
    if (view.raw() == nullptr && view.numel() > 0) {
      throw ShapeError(
          format("{}: {} = {} has no memory (a planned view?)", op, argument, view.describe()));
    }
    if (view.device() != stream.device()) {
      throw DTypeError(format("{}: {} = {} must be on {}, the device of the stream", op, argument,
                              view.describe(), name(stream.device())));
    }
  }
}

void require_rank(const char* op, const char* argument, const ConstView& view, int rank) {
  if (view && view.rank() == rank) return;
  throw ShapeError(format("{}: {} must have {} axes, got {}", op, argument, rank, view.describe()));
}

void require_shape(const char* op, const char* argument, const ConstView& view,
                   const Shape& expected) {
  if (view && view.shape() == expected) return;
  throw ShapeError(format("{}: {} must have shape {}, got {}", op, argument, to_string(expected),
                          view.describe()));
}

void require_dtype(const char* op, const char* argument, const ConstView& view, DType expected) {
  require_dtype(op, argument, view, {expected});
}

void require_dtype(const char* op, const char* argument, const ConstView& view,
                   std::initializer_list<DType> expected) {
  if (view && std::find(expected.begin(), expected.end(), view.dtype()) != expected.end()) return;
  std::string choices;
  for (const DType dtype : expected) {
    choices += format("{}{}", choices.empty() ? "" : " or ", name(dtype));
  }
  throw DTypeError(format("{}: {} must be {}, got {}", op, argument, choices, view.describe()));
}

void require_float(const char* op, const char* argument, const ConstView& view) {
  require_dtype(op, argument, view, {DType::kBF16, DType::kF32, DType::kF64});
}

void require_contiguous(const char* op, const char* argument, const ConstView& view) {
  if (view && view.is_contiguous()) return;
  throw ShapeError(format("{}: {} = {} must be contiguous", op, argument, view.describe()));
}

void require_row_contiguous(const char* op, const char* argument, const ConstView& view) {
  if (view && view.rank() > 0) {
    const int last = view.rank() - 1;
    if (view.dim(last) <= 1 || view.stride(last) == 1) return;
  }
  throw ShapeError(
      format("{}: the last axis of {} = {} must be contiguous", op, argument, view.describe()));
}

void require_no_overlap(const char* op, NamedView a, NamedView b) {
  if (!overlap(a.view, b.view)) return;
  throw ShapeError(format("{}: {} = {} and {} = {} must not overlap", op, a.name, a.view.describe(),
                          b.name, b.view.describe()));
}

void require_same_or_no_overlap(const char* op, NamedView a, NamedView b) {
  if (a.view.raw() == b.view.raw() && a.view.dtype() == b.view.dtype() &&
      a.view.shape() == b.view.shape()) {
    bool same_strides = true;
    for (int axis = 0; axis < a.view.rank(); ++axis) {
      same_strides = same_strides && a.view.stride(axis) == b.view.stride(axis);
    }
    if (same_strides) return;
  }
  require_no_overlap(op, a, b);
}

void require_value(bool satisfied, const char* op, const char* condition, double value) {
  if (satisfied) return;
  throw ShapeError(format("{}: {}, got {}", op, condition, value));
}

}  // namespace lckv::ops
