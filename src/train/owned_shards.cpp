#include "lckv/train/owned_shards.h"

#include <algorithm>

namespace lckv::train {

namespace {

/// A stretch of flat elements, first .. last-1.
struct Stretch {
  int64_t first, last;
};

/// Where the elements of a parameter that are no padding lie in its bucket. Padding is at the end,
/// since only rows are padded.
Stretch place_of(const model::ParameterTable& table, const model::Parameter& parameter) {
  const int64_t row_elems = parameter.local.numel() / parameter.local[0];
  const int64_t first = table.storage_of(parameter).offset_elems + parameter.first_row * row_elems;
  const int64_t real = parameter.axis == 0 ? parameter.extent * row_elems : parameter.local.numel();
  return {first, first + real};
}

/// A box of this rank's part as a box of the whole tensor.
checkpoint::Slice to_global(checkpoint::Slice box, const model::Parameter& parameter) {
  const auto axis = static_cast<size_t>(parameter.axis);
  box.begin[axis] += parameter.begin;
  box.end[axis] += parameter.begin;
  return box;
}

}  // namespace

std::vector<checkpoint::Shard> owned_shards(const model::ParameterTable& table, int dp_rank,
                                            const std::string& kind, const std::vector<View>& parts,
                                            Copies copies) {
  std::vector<checkpoint::Shard> shards;
  for (const model::Parameter& parameter : table.parameters) {
    if (copies == Copies::kFirst && !parameter.counts_here) continue;
    const View& part = parts[static_cast<size_t>(table.storage_of(parameter).bucket)];
    const Stretch place = place_of(table, parameter);
    const int64_t owned_first = dp_rank * part.numel();
    int64_t first = std::max(place.first, owned_first);
    const int64_t last = std::min(place.last, owned_first + part.numel());
    if (first >= last) continue;
    for (const checkpoint::Slice& box :
         checkpoint::boxes_of_stretch(parameter.local, first - place.first, last - place.first)) {
      const Shape shape = box.shape();
      const int64_t begin = first - owned_first;
      shards.push_back({kind + "/" + parameter.name, parameter.shape, to_global(box, parameter),
                        part.slice(0, begin, begin + shape.numel()).reshape(shape)});
      first += shape.numel();
    }
  }
  return shards;
}

}  // namespace lckv::train
