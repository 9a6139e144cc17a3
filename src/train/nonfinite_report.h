#pragma once

#include <array>
#include <cstdint>
#include <string>
#include <vector>

#include "lckv/comm/communicator.h"
#include "lckv/train/nonfinite.h"

namespace lckv::train {

/// Why a step was not finite.
struct NonFiniteReport {
  static constexpr int64_t kListed = 3;

  // By kind, at most kListed of each: parameters in the order of the table, gradients in the
  // opposite one, which is that of the backward sweep.
  std::vector<NonFinite> found;
  std::array<int64_t, kNonFiniteKinds> tensors{};  // by kind: how many there are
  // World ranks whose own gradients were not finite: before the sum over copies where there are
  // several, so that it is told whose they were.
  std::vector<int> sources;
  bool operator==(const NonFiniteReport&) const = default;
};

/// Puts together what the ranks found. Collective over `world`; equal on every rank.
///
///   is_source   this rank's own gradients were not finite
NonFiniteReport gather_nonfinite(comm::Communicator& world, const model::ParameterTable& table,
                                 const std::vector<NonFinite>& found, bool is_source);

/// "step 12: not finite: weight model.layers.1.mlp.down_proj.weight (3 elements, the first nan at
/// 17, rank 0); gradient in 14 tensors, backwards the first lm_head.weight (407 elements, the first
/// nan at 0), from rank 2; loss nan on rank 2"
std::string to_text(int64_t step, const NonFiniteReport& report);

}  // namespace lckv::train
