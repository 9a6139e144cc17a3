#pragma once

#include <cstddef>
#include <string>

#include "lckv/tensor/device.h"
#include "lckv/tensor/dtype.h"
#include "lckv/tensor/shape.h"

namespace lckv {

/// Read-only window onto somebody else's memory: address, dtype, device, shape and strides (in
/// elements). Copying one copies the window. A default-constructed view is empty: `if (view)` is
/// false.
class ConstView {
 public:
  ConstView() = default;
  /// Contiguous, last axis fastest.
  ConstView(const void* data, DType dtype, const Shape& shape, Device device = {});

  explicit operator bool() const { return dtype_set_; }
  DType dtype() const { return dtype_; }
  Device device() const { return device_; }
  const Shape& shape() const { return shape_; }
  int rank() const { return shape_.rank(); }
  int64_t dim(int axis) const { return shape_[axis]; }
  int64_t stride(int axis) const { return strides_[static_cast<size_t>(axis)]; }
  int64_t numel() const { return shape_.numel(); }
  int64_t bytes() const { return numel() * size_bytes(dtype_); }
  bool is_contiguous() const;
  const void* raw() const { return data_; }

  /// Address of element 0. Throws DTypeError when T is not the dtype.
  template <class T>
  const T* data() const {
    require_dtype(dtype_of<T>());
    return static_cast<const T*>(data_);
  }

  /// Elements begin..end-1 of one axis.
  ConstView slice(int axis, int64_t begin, int64_t end) const;
  /// The same elements under another shape; contiguous views only.
  ConstView reshape(const Shape& shape) const;
  /// Axis `axis` of extent outer * inner becomes two axes [outer, inner]; any strides.
  ConstView unflatten(int axis, int64_t outer, int64_t inner) const;

  /// "bf16[2, 64] on cpu"
  std::string describe() const;

 protected:
  void require_dtype(DType expected) const;

  const void* data_ = nullptr;
  bool dtype_set_ = false;
  DType dtype_ = DType::kF32;
  Device device_;
  Shape shape_;
  std::array<int64_t, Shape::kMaxRank> strides_{};
};

/// The same, writable.
class View : public ConstView {
 public:
  View() = default;
  View(void* data, DType dtype, const Shape& shape, Device device = {})
      : ConstView(data, dtype, shape, device) {}

  void* raw() const { return const_cast<void*>(data_); }
  template <class T>
  T* data() const {
    require_dtype(dtype_of<T>());
    return static_cast<T*>(raw());
  }
  View slice(int axis, int64_t begin, int64_t end) const {
    return View(ConstView::slice(axis, begin, end));
  }
  View reshape(const Shape& shape) const { return View(ConstView::reshape(shape)); }
  View unflatten(int axis, int64_t outer, int64_t inner) const {
    return View(ConstView::unflatten(axis, outer, inner));
  }

 private:
  explicit View(const ConstView& window) : ConstView(window) {}
};

/// Whether two views share a byte (their address ranges, strides included).
bool overlap(const ConstView& a, const ConstView& b);

}  // namespace lckv
