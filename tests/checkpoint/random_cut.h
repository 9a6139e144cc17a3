#pragma once

#include <algorithm>
#include <string>
#include <vector>

#include "files_fixture.h"
#include "lckv/checkpoint/shard.h"

namespace lckv::checkpoint {

/// Whole numbers from a fixed seed.
class Dice {
 public:
  explicit Dice(uint64_t seed) : rng_(seed, 77) {}
  /// 0 .. n-1
  int64_t below(int64_t n) {
    return static_cast<int64_t>(rng_.bits(next_++) % static_cast<uint64_t>(n));
  }

 private:
  CounterRng rng_;
  uint64_t next_ = 0;
};

/// A tensor of the model, as nobody holds it.
struct Whole {
  std::string name;
  Buffer data;
};

inline std::vector<Whole> random_tensors(int64_t count, uint64_t seed, int64_t max_extent = 9) {
  constexpr std::array kTypes = {DType::kBF16, DType::kF32, DType::kF64, DType::kI64, DType::kI32};
  Dice dice(seed);
  std::vector<Whole> tensors;
  for (int64_t i = 0; i < count; ++i) {
    std::vector<int64_t> extents(static_cast<size_t>(1 + dice.below(3)));
    for (int64_t& extent : extents) extent = 1 + dice.below(max_extent);
    const DType dtype = kTypes[static_cast<size_t>(i) % kTypes.size()];
    tensors.push_back(
        {"weight/tensor." + std::to_string(i),
         random_buffer(dtype, Shape(extents), seed * 1000 + static_cast<uint64_t>(i))});
  }
  return tensors;
}

/// A box of a tensor, element by element.
inline Buffer cut_out(const ConstView& whole, const Slice& slice) {
  Buffer part(whole.dtype(), slice.shape());
  const auto* from = static_cast<const std::byte*>(whole.raw());
  auto* to = static_cast<std::byte*>(part.raw());
  const int64_t elem_bytes = size_bytes(whole.dtype());
  for (int64_t i = 0; i < whole.numel(); ++i) {
    bool inside = true;
    int64_t rest = i;
    for (int axis = whole.rank() - 1; axis >= 0; --axis) {
      const int64_t at = rest % whole.dim(axis);
      rest /= whole.dim(axis);
      inside = inside && slice.begin[static_cast<size_t>(axis)] <= at &&
               at < slice.end[static_cast<size_t>(axis)];
    }
    if (!inside) continue;
    std::copy_n(from + i * elem_bytes, elem_bytes, to);
    to += elem_bytes;
  }
  return part;
}

/// Sorted places 0 = p_0 <= ... <= p_parts = extent.
inline std::vector<int64_t> random_places(Dice& dice, int64_t extent, int64_t parts) {
  std::vector<int64_t> places = {0, extent};
  while (static_cast<int64_t>(places.size()) <= parts) places.push_back(dice.below(extent + 1));
  std::sort(places.begin(), places.end());
  return places;
}

/// Disjoint boxes that cover a shape, by rank: the tensor is cut along one axis, or not at all, as
/// tensor parallelism does; of each such part every rank owns a stretch of flat memory, as ZeRO-1
/// does.
inline std::vector<std::vector<Slice>> random_cut(Dice& dice, const Shape& shape, int ranks) {
  std::vector<std::vector<Slice>> by_rank(static_cast<size_t>(ranks));
  const auto axis = static_cast<size_t>(dice.below(shape.rank()));
  const auto cuts =
      random_places(dice, shape[static_cast<int>(axis)], 1 + dice.below(std::max(ranks, 3)));
  for (size_t part = 0; part + 1 < cuts.size(); ++part) {
    Slice local = Slice::whole(shape);
    local.begin[axis] = cuts[part];
    local.end[axis] = cuts[part + 1];
    const Shape local_shape = local.shape();
    const auto places = random_places(dice, local_shape.numel(), ranks);
    for (size_t i = 0; i + 1 < places.size(); ++i) {
      for (Slice& box : boxes_of_stretch(local_shape, places[i], places[i + 1])) {
        box.begin[axis] += cuts[part];
        box.end[axis] += cuts[part];
        by_rank[(i + part) % by_rank.size()].push_back(box);
      }
    }
  }
  return by_rank;
}

/// What one rank holds, in memory of its own.
class RankParts {
 public:
  void add(const std::string& name, const Shape& global_shape, const Slice& slice, Buffer data) {
    shards_.push_back({name, global_shape, slice, data.view()});
    memory_.push_back(std::move(data));
  }
  const std::vector<Shard>& shards() const { return shards_; }

 private:
  std::vector<Shard> shards_;
  std::vector<Buffer> memory_;
};

/// The tensors cut at random, by rank.
inline std::vector<RankParts> cut_at_random(const std::vector<Whole>& tensors, int ranks,
                                            uint64_t seed) {
  Dice dice(seed);
  std::vector<RankParts> by_rank(static_cast<size_t>(ranks));
  for (const Whole& tensor : tensors) {
    const Shape shape = tensor.data.view().shape();
    const auto boxes = random_cut(dice, shape, ranks);
    for (size_t rank = 0; rank < by_rank.size(); ++rank) {
      for (const Slice& box : boxes[rank]) {
        by_rank[rank].add(tensor.name, shape, box, cut_out(tensor.data.view(), box));
      }
    }
  }
  return by_rank;
}

}  // namespace lckv::checkpoint
