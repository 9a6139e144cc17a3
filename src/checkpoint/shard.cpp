#include "lckv/checkpoint/shard.h"

#include <algorithm>

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

namespace {

/// The stretch first .. last-1 of what axes `axis` and below hold where `prefix` fixes those above.
void append_boxes(const Shape& shape, size_t axis, Slice prefix, int64_t first, int64_t last,
                  std::vector<Slice>& boxes) {
  if (first >= last) return;
  const auto rank = static_cast<size_t>(shape.rank());
  int64_t row_elems = 1;
  for (size_t below = axis + 1; below < rank; ++below) row_elems *= shape[static_cast<int>(below)];
  const auto rows = [&](int64_t begin, int64_t end) {
    prefix.begin[axis] = begin;
    prefix.end[axis] = end;
    return prefix;
  };
  const int64_t first_row = first / row_elems, last_row = last / row_elems;
  const int64_t first_rest = first % row_elems, last_rest = last % row_elems;
  if (first_row == last_row) {
    return append_boxes(shape, axis + 1, rows(first_row, first_row + 1), first_rest, last_rest,
                        boxes);
  }
  const int64_t whole_begin = first_rest == 0 ? first_row : first_row + 1;
  if (first_rest != 0) {
    append_boxes(shape, axis + 1, rows(first_row, first_row + 1), first_rest, row_elems, boxes);
  }
  if (whole_begin < last_row) boxes.push_back(rows(whole_begin, last_row));
  if (last_rest != 0) {
    append_boxes(shape, axis + 1, rows(last_row, last_row + 1), 0, last_rest, boxes);
  }
}

}  // namespace

std::vector<Slice> boxes_of_stretch(const Shape& shape, int64_t first, int64_t last) {
  LCKV_CHECK(shape.rank() > 0 && 0 <= first && first <= last && last <= shape.numel(),
             format("elements {} to {} of {}", first, last, to_string(shape)));
  std::vector<Slice> boxes;
  append_boxes(shape, 0, Slice::whole(shape), first, last, boxes);
  return boxes;
}

std::optional<Slice> intersection(const Slice& a, const Slice& b) {
  Slice both = a;
  for (size_t axis = 0; axis < a.begin.size(); ++axis) {
    both.begin[axis] = std::max(a.begin[axis], b.begin[axis]);
    both.end[axis] = std::min(a.end[axis], b.end[axis]);
    if (both.begin[axis] >= both.end[axis]) return std::nullopt;
  }
  return both;
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
