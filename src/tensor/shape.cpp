#include "lckv/tensor/shape.h"

#include "lckv/base/error.h"
#include "lckv/base/text.h"

namespace lckv {

Shape::Shape(std::span<const int64_t> extents) : rank_(static_cast<int>(extents.size())) {
  LCKV_CHECK(extents.size() <= kMaxRank, format("shape of rank {}", extents.size()));
  for (size_t axis = 0; axis < extents.size(); ++axis) {
    LCKV_CHECK(extents[axis] >= 0, format("negative extent {} of axis {}", extents[axis], axis));
    extents_[axis] = extents[axis];
  }
}

int64_t Shape::numel() const {
  int64_t product = 1;
  for (const int64_t extent : extents()) product *= extent;
  return product;
}

std::string to_string(const Shape& shape) {
  std::string text = "[";
  for (int axis = 0; axis < shape.rank(); ++axis) {
    text += (axis == 0 ? "" : ", ") + std::to_string(shape[axis]);
  }
  return text + "]";
}

}  // namespace lckv
