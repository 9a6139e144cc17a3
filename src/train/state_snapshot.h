#pragma once

#include <vector>

#include "lckv/checkpoint/shard.h"
#include "lckv/model/parameter_set.h"
#include "lckv/tensor/arena.h"
#include "lckv/tensor/stream.h"
#include "lckv/train/trainer.h"

namespace lckv::train {

/// Everything that a rank saves of its trainer: masters and moments of what it owns.
std::vector<checkpoint::Shard> shards_to_save(const Trainer& trainer);
/// The same tensors, to be filled: what other ranks hold alike included.
std::vector<checkpoint::Shard> shards_to_load(Trainer& trainer);

/// Whether all that this rank would save is finite. Reads it once.
bool is_finite(Stream& stream, const Trainer& trainer);

/// A copy of shards_to_save() in memory of its own, which is written while training goes on.
class StateSnapshot {
 public:
  /// Takes as much memory from `arena`, which is the host's, as masters and moments have.
  StateSnapshot(Arena& arena, const Trainer& trainer);

  /// Copies the trainer's tensors as they are now.
  void take(Stream& stream, const Trainer& trainer);
  /// Views into the copy.
  std::vector<checkpoint::Shard> shards() const;

 private:
  const model::ParameterTable& table_;
  int dp_rank_;
  model::OwnedSet weights_, first_moments_, second_moments_;
};

}  // namespace lckv::train
