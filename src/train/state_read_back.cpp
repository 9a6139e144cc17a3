#include "lckv/train/state_read_back.h"

#include "lckv/base/error.h"
#include "lckv/base/random.h"
#include "lckv/base/text.h"
#include "lckv/checkpoint/state_reader.h"
#include "lckv/comm/agreement.h"
#include "lckv/tensor/transfer.h"
#include "lckv/train/state_snapshot.h"

namespace lckv::train {

namespace {

uint64_t hash_of(const checkpoint::Shard& shard) {
  const OnHost on_host(shard.view);
  return hash_bytes(on_host.view().raw(), static_cast<size_t>(shard.view.bytes()));
}

}  // namespace

ShardHashes::ShardHashes(std::span<const checkpoint::Shard> shards) {
  for (const checkpoint::Shard& shard : shards) hashes_.push_back(hash_of(shard));
}

std::vector<std::string> ShardHashes::differing(std::span<const checkpoint::Shard> now) const {
  LCKV_CHECK(now.size() == hashes_.size(),
             format("{} shards, {} hashes", now.size(), hashes_.size()));
  std::vector<std::string> names;
  for (size_t i = 0; i < now.size(); ++i) {
    if (hash_of(now[i]) != hashes_[i]) names.push_back(now[i].name + to_string(now[i].slice));
  }
  return names;
}

void read_state(const std::filesystem::path& state_folder, Trainer& trainer, Stream& stream) {
  comm::together(*trainer.ranks().world, [&] {
    checkpoint::StateReader state(state_folder);
    for (const checkpoint::Shard& shard : shards_to_load(trainer)) {
      state.read(shard.name, shard.slice, shard.view);
    }
  });
  trainer.gather_weights(stream);
}

}  // namespace lckv::train
