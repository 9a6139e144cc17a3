#include "lckv/checkpoint/shard.h"

#include "lckv/base/text.h"

namespace lckv::checkpoint {

Slice Slice::whole(const Shape& shape) {
  const auto extents = shape.extents();
  return {std::vector<int64_t>(extents.size(), 0), {extents.begin(), extents.end()}};
}

Slice Slice::rows(const Shape& shape, int64_t row_begin, int64_t row_end) {
  LCKV_CHECK(shape.rank() > 0, "rows of a scalar");
  Slice slice = whole(shape);
  slice.begin[0] = row_begin;
  slice.end[0] = row_end;
  return slice;
}

Shape Slice::shape() const {
  std::vector<int64_t> extents;
  for (size_t axis = 0; axis < begin.size(); ++axis) extents.push_back(end[axis] - begin[axis]);
  return Shape(extents);
}

bool Slice::fits(const Shape& global_shape) const {
  const auto rank = static_cast<size_t>(global_shape.rank());
  if (begin.size() != rank || end.size() != rank) return false;
  for (size_t axis = 0; axis < rank; ++axis) {
    const int64_t extent = global_shape[static_cast<int>(axis)];
    if (begin[axis] < 0 || begin[axis] > end[axis] || end[axis] > extent) return false;
  }
  return true;
}

std::string to_string(const Slice& slice) {
  std::string text = "[";
  for (size_t axis = 0; axis < slice.begin.size(); ++axis) {
    text += format("{}{}:{}", axis == 0 ? "" : ", ", slice.begin[axis], slice.end[axis]);
  }
  return text + "]";
}

Shard whole_shard(std::string name, const View& view) {
  return {std::move(name), view.shape(), Slice::whole(view.shape()), view};
}

}  // namespace lckv::checkpoint
