#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "lckv/comm/grid.h"
#include "lckv/model/parameter_set.h"

namespace lckv::train {

/// In the order of blame: a weight that is not finite makes gradients so, those the loss.
enum class NonFiniteKind : uint8_t {
  kWeight,
  kMaster,
  kFirstMoment,
  kSecondMoment,
  kGradient,
  kLoss
};
constexpr size_t kNonFiniteKinds = 6;
const char* name(NonFiniteKind kind);  // "weight", "master", "adam_m", "adam_v", "gradient", "loss"

/// What is NaN or infinite in one tensor.
struct NonFinite {
  NonFiniteKind kind = NonFiniteKind::kWeight;
  std::string parameter;  // "" for the loss
  int rank = 0;           // lowest that holds such elements; in the world
  int ranks = 1;          // that hold some
  int64_t count = 0;      // elements on `rank`
  int64_t first = 0;      // the first of them: its index in the whole tensor, row by row
  std::string value;      // of the first: "nan", "inf" or "-inf"
  bool operator==(const NonFinite&) const = default;
};

/// Every parameter with elements that are not finite in `parts`, what rank `grid.rank` holds of
/// the buckets, flat: whole buckets, or the owned part of each. Padding rows are not looked at.
/// Reads every element, on one thread, in a copy of what lies on a GPU.
std::vector<NonFinite> find_nonfinite(const model::ParameterTable& table, const comm::Grid& grid,
                                      NonFiniteKind kind, const std::vector<View>& parts);
/// This rank's part of the loss; nothing when it is finite.
std::vector<NonFinite> find_nonfinite_loss(const comm::Grid& grid, double loss);

}  // namespace lckv::train
