#include <vector>

#include "lckv/base/random.h"
#include "lckv/base/text.h"
#include "lckv/checkpoint/atomic_folder.h"
#include "lckv/checkpoint/manifest.h"
#include "lckv/checkpoint/safetensors.h"
#include "lckv/checkpoint/state.h"
#include "lckv/checkpoint/state_folders.h"

namespace lckv::checkpoint {

namespace {

constexpr const char* kRankFile = "rank-00000.safetensors";

void check(const Shard& shard) {
  LCKV_CHECK(
      shard.slice == Slice::whole(shard.global_shape) && shard.slice.shape() == shard.view.shape(),
      format("shard '{}': slice {} of {} with {}; only whole tensors are saved", shard.name,
             to_string(shard.slice), to_string(shard.global_shape), shard.view.describe()));
}

Manifest::Tensor describe(const Shard& shard) {
  const uint64_t hash = hash_bytes(shard.view.raw(), static_cast<size_t>(shard.view.bytes()));
  return {shard.view.dtype(), shard.global_shape, {{kRankFile, shard.slice, hash}}};
}

}  // namespace

std::filesystem::path save_state(const std::filesystem::path& run_folder, int64_t step,
                                 std::span<const Shard> shards,
                                 const std::string& trainer_state_json) {
  LCKV_CHECK(step >= 0, format("state of step {}", step));
  remove_unfinished_states(run_folder);
  AtomicFolder folder(run_folder / state_folder_name(step), ExistingFolder::kReplace);

  Manifest manifest{step, {}, {}, trainer_state_json};
  std::vector<NamedTensor> tensors;
  for (const Shard& shard : shards) {
    check(shard);
    manifest.tensors[shard.name] = describe(shard);
    tensors.push_back({shard.name, shard.view, shard.view.dtype()});
  }
  manifest.files[kRankFile] = write_safetensors(folder.building() / kRankFile, tensors);
  write_file_atomically(folder.building() / Manifest::kFileName, format_manifest(manifest));
  folder.commit();
  return run_folder / state_folder_name(step);
}

}  // namespace lckv::checkpoint
