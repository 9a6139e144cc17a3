#pragma once

#include <cstring>
#include <deque>
#include <vector>

#include "lckv/checkpoint/shard.h"
#include "lckv/model/parameter_set.h"
#include "lckv/tensor/buffer.h"

namespace lckv::train {

/// The slice of a whole tensor that is `box` of a rank's part of it.
inline checkpoint::Slice in_whole(checkpoint::Slice box, const model::Parameter& parameter) {
  const auto axis = static_cast<size_t>(parameter.axis);
  box.begin[axis] += parameter.begin;
  box.end[axis] += parameter.begin;
  return box;
}

/// What the ranks of a grid save of a model's weights, made from the whole weights by counting
/// alone: a rank's part of a tensor is flat memory, divided among the copies at places that are no
/// rows, so that each copy has up to three boxes of it. Stands beside the product's own division.
class HandMadeShards {
 public:
  explicit HandMadeShards(const model::ParameterSet& whole) : whole_(whole) {}

  /// Adds those of one rank of the grid.
  void add(const config::ModelConfig& config, int dp, int tp, int dp_rank, int tp_rank) {
    for (const model::Parameter& part :
         model::make_parameter_table(config, {tp, tp_rank, dp}).parameters) {
      if (!part.counts_here || part.extent == 0) continue;
      checkpoint::Slice real = checkpoint::Slice::whole(part.shape);
      real.begin[static_cast<size_t>(part.axis)] = 0;
      real.end[static_cast<size_t>(part.axis)] = part.extent;
      const Shape shape = real.shape();
      const int64_t first = cut(shape.numel(), dp_rank, dp),
                    last = cut(shape.numel(), dp_rank + 1, dp);
      if (first == last) continue;
      for (const auto& box : checkpoint::boxes_of_stretch(shape, first, last)) {
        add_box(part, in_whole(box, part));
      }
    }
  }
  const std::vector<checkpoint::Shard>& shards() const { return shards_; }

 private:
  /// Where the memory of copy `rank` begins: an odd number of elements behind an even division.
  static int64_t cut(int64_t elems, int rank, int dp) {
    if (rank == 0 || rank == dp) return rank == 0 ? 0 : elems;
    return std::min(elems, elems * rank / dp + 1);
  }

  void add_box(const model::Parameter& parameter, const checkpoint::Slice& slice) {
    View from = whole_.view(whole_.table().find(parameter.name));
    for (size_t axis = 0; axis < slice.begin.size(); ++axis) {
      from = from.slice(static_cast<int>(axis), slice.begin[axis], slice.end[axis]);
    }
    memory_.emplace_back(from.dtype(), from.shape());
    copy(from, static_cast<std::byte*>(memory_.back().raw()));
    shards_.push_back({"weight/" + parameter.name, parameter.shape, slice, memory_.back().view()});
  }

  /// Rows one by one: a column slice is not contiguous.
  static void copy(const View& from, std::byte* to) {
    const int64_t rows = from.rank() == 2 ? from.dim(0) : 1;
    for (int64_t row = 0; row < rows; ++row) {
      const View line = from.rank() == 2 ? from.slice(0, row, row + 1) : from;
      std::memcpy(to + row * line.bytes(), line.raw(), static_cast<size_t>(line.bytes()));
    }
  }

  const model::ParameterSet& whole_;
  std::deque<Buffer> memory_;
  std::vector<checkpoint::Shard> shards_;
};

}  // namespace lckv::train
