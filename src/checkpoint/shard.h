#pragma once

#include <optional>
#include <string>
#include <vector>

#include "lckv/tensor/view.h"

namespace lckv::checkpoint {

/// A box of a global tensor: elements begin[a] .. end[a]-1 of every axis a.
struct Slice {
  std::vector<int64_t> begin;
  std::vector<int64_t> end;

  static Slice whole(const Shape& shape);
  /// Elements row_begin .. row_end-1 of axis 0, everything of the others.
  static Slice rows(const Shape& shape, int64_t row_begin, int64_t row_end);

  Shape shape() const;
  /// Whether it has the rank of `global_shape` and lies inside it.
  bool fits(const Shape& global_shape) const;
  bool operator==(const Slice&) const = default;
};

/// The elements first .. last-1 of a tensor in row-major order as boxes, in that order: the rest of
/// a row, whole rows, the beginning of a row. One after the other they are that stretch of memory;
/// at most 2 rank - 1 of them, none when it is empty.
std::vector<Slice> boxes_of_stretch(const Shape& shape, int64_t first, int64_t last);

/// The elements that two boxes of one tensor share; nothing when there are none.
std::optional<Slice> intersection(const Slice& a, const Slice& b);

/// "[0:4, 16:32]"
std::string to_string(const Slice& slice);

/// One rank's part of a named tensor, or a piece of that part: the protocol by which model and
/// optimizer hand over what is saved and loaded.
struct Shard {
  std::string name;  // "weight/model.norm.weight", the same on all ranks
  Shape global_shape;
  Slice slice;
  View view;  // contiguous, of the slice's shape
};

/// A shard that is the whole tensor.
Shard whole_shard(std::string name, const View& view);

}  // namespace lckv::checkpoint
