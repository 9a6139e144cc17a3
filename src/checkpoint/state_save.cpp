#include <algorithm>
#include <optional>
#include <vector>

#include <nlohmann/json.hpp>

#include "lckv/base/text.h"
#include "lckv/checkpoint/atomic_folder.h"
#include "lckv/checkpoint/manifest.h"
#include "lckv/checkpoint/safetensors.h"
#include "lckv/checkpoint/state.h"
#include "lckv/checkpoint/state_folders.h"
#include "lckv/comm/agreement.h"

namespace lckv::checkpoint {

namespace {

std::string rank_file(int rank) { return format("rank-{:05}.safetensors", rank); }

void check(const Shard& shard) {
  LCKV_CHECK(shard.slice.fits(shard.global_shape) && shard.slice.shape() == shard.view.shape(),
             format("shard '{}': slice {} of {} with {}", shard.name, to_string(shard.slice),
                    to_string(shard.global_shape), shard.view.describe()));
}

/// Widest type first, as the file format wants its data aligned.
std::vector<const Shard*> in_file_order(std::span<const Shard> shards) {
  std::vector<const Shard*> order;
  for (const Shard& shard : shards) {
    check(shard);
    order.push_back(&shard);
  }
  std::stable_sort(order.begin(), order.end(), [](const Shard* a, const Shard* b) {
    return size_bytes(a->view.dtype()) > size_bytes(b->view.dtype());
  });
  return order;
}

/// This rank's file, and what the manifest says of it.
Manifest write_rank_file(const std::filesystem::path& folder, int rank,
                         std::span<const Shard> shards) {
  const std::string file = rank_file(rank);
  const std::vector<const Shard*> order = in_file_order(shards);
  std::vector<SafetensorsWriter::Declared> declared;
  for (const Shard* shard : order) {
    declared.push_back({piece_name(shard->name, shard->global_shape, shard->slice),
                        shard->view.dtype(), shard->view.shape()});
  }
  SafetensorsWriter writer(folder / file, declared);
  Manifest part;
  for (size_t i = 0; i < order.size(); ++i) {
    const Shard& shard = *order[i];
    const SafetensorsWriter::Written written = writer.write(declared[i].name, shard.view);
    Manifest::Tensor& tensor = part.tensors[shard.name];
    tensor.dtype = shard.view.dtype();
    tensor.global_shape = shard.global_shape;
    tensor.pieces.push_back({file, written.offset, shard.slice, written.xxh3});
  }
  part.files[file] = writer.finish();
  return part;
}

/// The parts of all ranks as one manifest.
Manifest merged(const std::vector<std::string>& parts) {
  Manifest whole;
  for (size_t rank = 0; rank < parts.size(); ++rank) {
    const Manifest part = parse_manifest_part(parts[rank]);
    whole.files.insert(part.files.begin(), part.files.end());
    for (const auto& [name, tensor] : part.tensors) {
      const Manifest::Tensor empty{tensor.dtype, tensor.global_shape, {}};
      Manifest::Tensor& all = whole.tensors.try_emplace(name, empty).first->second;
      LCKV_CHECK(all.dtype == tensor.dtype && all.global_shape == tensor.global_shape,
                 format("tensor '{}' is {}{} on rank {}, elsewhere {}{}", name,
                        lckv::name(tensor.dtype), to_string(tensor.global_shape), rank,
                        lckv::name(all.dtype), to_string(all.global_shape)));
      all.pieces.insert(all.pieces.end(), tensor.pieces.begin(), tensor.pieces.end());
    }
  }
  return whole;
}

/// Before anything is committed. What shards leave out or give twice is our bug, not a file's.
void require_covered_by_shards(const Manifest& manifest, const std::filesystem::path& state) {
  try {
    require_covered(manifest, state.string());
  } catch (const DataError& error) {
    throw InternalError(format("shards to save: {}", error.what()));
  }
}

}  // namespace

std::filesystem::path save_state(comm::Communicator& group, const std::filesystem::path& run_folder,
                                 int64_t step, std::span<const Shard> shards,
                                 const std::string& trainer_state_json) {
  LCKV_CHECK(step >= 0, format("state of step {}", step));
  const std::filesystem::path path = run_folder / state_folder_name(step);
  const bool commits = group.rank() == 0;
  std::optional<AtomicFolder> folder;  // of rank 0
  comm::together(group, [&] {
    if (!commits) return;
    remove_unfinished_states(run_folder);
    folder.emplace(path, ExistingFolder::kReplace);
  });
  Manifest part;
  comm::together(group, [&] {
    part = write_rank_file(AtomicFolder::building_path(path), group.rank(), shards);
  });
  const std::vector<std::string> parts = comm::gather_texts(group, format_manifest_part(part));
  comm::together(group, [&] {
    if (!commits) return;
    Manifest manifest = merged(parts);
    manifest.step = step;
    manifest.trainer_json = trainer_state_json;
    require_covered_by_shards(manifest, path);
    write_file_atomically(folder->building() / Manifest::kFileName, format_manifest(manifest));
    folder->commit();
  });
  return path;
}

}  // namespace lckv::checkpoint
