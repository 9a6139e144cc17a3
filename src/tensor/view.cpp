#include "lckv/tensor/view.h"

#include "lckv/base/text.h"

namespace lckv {

ConstView::ConstView(const void* data, DType dtype, const Shape& shape, Device device)
    : data_(data), dtype_set_(true), dtype_(dtype), device_(device), shape_(shape) {
  int64_t stride = 1;
  for (int axis = shape.rank() - 1; axis >= 0; --axis) {
    strides_[static_cast<size_t>(axis)] = stride;
    // Where nothing is stored, a product may not fit: [0, 2^40, 2^40].
    if (__builtin_mul_overflow(stride, shape[axis], &stride)) stride = 0;
  }
}

bool ConstView::is_contiguous() const {
  if (numel() == 0) return true;
  int64_t expected = 1;
  for (int axis = rank() - 1; axis >= 0; --axis) {
    if (dim(axis) != 1 && stride(axis) != expected) return false;
    expected *= dim(axis);
  }
  return true;
}

ConstView ConstView::slice(int axis, int64_t begin, int64_t end) const {
  LCKV_CHECK(axis >= 0 && axis < rank() && 0 <= begin && begin <= end && end <= dim(axis),
             format("slice {}..{} of axis {} of {}", begin, end, axis, describe()));
  ConstView part = *this;
  std::array<int64_t, Shape::kMaxRank> extents{};
  for (int i = 0; i < rank(); ++i) extents[static_cast<size_t>(i)] = dim(i);
  extents[static_cast<size_t>(axis)] = end - begin;
  part.shape_ = Shape(std::span<const int64_t>(extents.data(), static_cast<size_t>(rank())));
  if (data_ != nullptr) {
    part.data_ = static_cast<const std::byte*>(data_) + begin * stride(axis) * size_bytes(dtype_);
  }
  return part;
}

ConstView ConstView::reshape(const Shape& shape) const {
  LCKV_CHECK(is_contiguous() && shape.numel() == numel(),
             format("reshape of {} to {}", describe(), to_string(shape)));
  return {data_, dtype_, shape, device_};
}

ConstView ConstView::unflatten(int axis, int64_t outer, int64_t inner) const {
  LCKV_CHECK(axis >= 0 && axis < rank() && rank() < Shape::kMaxRank && outer * inner == dim(axis),
             format("unflatten axis {} of {} to {} x {}", axis, describe(), outer, inner));
  ConstView split = *this;
  std::array<int64_t, Shape::kMaxRank> extents{};
  int to = 0;
  for (int from = 0; from < rank(); ++from) {
    const auto at = static_cast<size_t>(to);
    if (from == axis) {
      extents[at] = outer;
      split.strides_[at] = stride(from) * inner;
      extents[at + 1] = inner;
      split.strides_[at + 1] = stride(from);
      to += 2;
    } else {
      extents[at] = dim(from);
      split.strides_[at] = stride(from);
      ++to;
    }
  }
  split.shape_ = Shape(std::span<const int64_t>(extents.data(), static_cast<size_t>(to)));
  return split;
}

std::string ConstView::describe() const {
  if (!*this) return "(empty view)";
  return format("{}{} on {}", name(dtype_), to_string(shape_), name(device_));
}

void ConstView::require_dtype(DType expected) const {
  if (dtype_set_ && dtype_ == expected) return;
  throw DTypeError(format("a kernel asked for {} of {}", name(expected), describe()));
}

bool overlap(const ConstView& a, const ConstView& b) {
  if (!a || !b || a.numel() == 0 || b.numel() == 0 || a.raw() == nullptr || b.raw() == nullptr) {
    return false;
  }
  const auto range = [](const ConstView& view) {
    int64_t last = 0;
    for (int axis = 0; axis < view.rank(); ++axis) last += (view.dim(axis) - 1) * view.stride(axis);
    const auto* begin = static_cast<const std::byte*>(view.raw());
    return std::pair(begin, begin + (last + 1) * size_bytes(view.dtype()));
  };
  const auto [a_begin, a_end] = range(a);
  const auto [b_begin, b_end] = range(b);
  return a_begin < b_end && b_begin < a_end;
}

}  // namespace lckv
