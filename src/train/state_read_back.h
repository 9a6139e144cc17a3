#pragma once

#include <cstdint>
#include <filesystem>
#include <span>
#include <string>
#include <vector>

#include "lckv/checkpoint/shard.h"
#include "lckv/train/trainer.h"

namespace lckv::train {

/// What tensors held at one moment, as a hash of each: enough to tell later, without a copy,
/// whether they hold it again bit for bit.
class ShardHashes {
 public:
  explicit ShardHashes(std::span<const checkpoint::Shard> shards);

  /// Those whose bytes are others now, as "name[slice]". `now`: the same shards in the same order.
  std::vector<std::string> differing(std::span<const checkpoint::Shard> now) const;

 private:
  std::vector<uint64_t> hashes_;
};

/// Fills the trainer from a saved state as a continued run does, each rank reading the bytes of its
/// own part, and makes the weights whole. Collective over the trainer's grid. Throws on every rank
/// alike: DataError, IoError.
void read_state(const std::filesystem::path& state_folder, Trainer& trainer, Stream& stream);

}  // namespace lckv::train
