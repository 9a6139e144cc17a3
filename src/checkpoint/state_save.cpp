#include <algorithm>
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

constexpr const char* kTensorsFile = "rank-00000.safetensors";

void check(const Shard& shard) {
  LCKV_CHECK(
      shard.slice == Slice::whole(shard.global_shape) && shard.slice.shape() == shard.view.shape(),
      format("shard '{}': slice {} of {} with {}; only whole tensors are saved", shard.name,
             to_string(shard.slice), to_string(shard.global_shape), shard.view.describe()));
}

/// What a killed save left is in the way of the next.
std::filesystem::path prepared(const std::filesystem::path& run_folder, int64_t step) {
  LCKV_CHECK(step >= 0, format("state of step {}", step));
  remove_unfinished_states(run_folder);
  return run_folder / state_folder_name(step);
}

}  // namespace

std::filesystem::path tensors_file(const std::filesystem::path& state_folder) {
  return state_folder / kTensorsFile;
}

struct StateWriter::State {
  State(const std::filesystem::path& run_folder, int64_t step,
        const std::vector<SafetensorsWriter::Declared>& tensors)
      : path(prepared(run_folder, step)),
        folder(path, ExistingFolder::kReplace),
        file(std::in_place, folder.building() / kTensorsFile, tensors) {
    manifest.step = step;
  }

  std::filesystem::path path;
  AtomicFolder folder;
  std::optional<SafetensorsWriter> file;  // closed before its folder goes
  Manifest manifest;
};

StateWriter::StateWriter(const std::filesystem::path& run_folder, int64_t step,
                         const std::vector<SafetensorsWriter::Declared>& tensors)
    : state_(std::make_unique<State>(run_folder, step, tensors)) {}

StateWriter::~StateWriter() = default;

void StateWriter::write(const std::string& name, const ConstView& whole) {
  const uint64_t hash = hash_bytes(whole.raw(), static_cast<size_t>(whole.bytes()));
  state_->manifest.tensors[name] = {
      whole.dtype(), whole.shape(), {{kTensorsFile, Slice::whole(whole.shape()), hash}}};
  state_->file->write(name, whole);
}

std::filesystem::path StateWriter::commit(const std::string& trainer_state_json) {
  State& s = *state_;
  s.manifest.trainer_json = trainer_state_json;
  s.manifest.files[kTensorsFile] = s.file->finish();
  s.file.reset();
  write_file_atomically(s.folder.building() / Manifest::kFileName, format_manifest(s.manifest));
  s.folder.commit();
  return s.path;
}

std::filesystem::path save_state(const std::filesystem::path& run_folder, int64_t step,
                                 std::span<const Shard> shards,
                                 const std::string& trainer_state_json) {
  std::vector<SafetensorsWriter::Declared> declared;
  for (const Shard& shard : shards) {
    check(shard);
    declared.push_back({shard.name, shard.view.dtype(), shard.view.shape()});
  }
  // Widest type first, as the file format wants its data aligned.
  std::vector<const Shard*> order;
  for (const Shard& shard : shards) order.push_back(&shard);
  const auto wider = [](DType a, DType b) { return size_bytes(a) > size_bytes(b); };
  std::stable_sort(order.begin(), order.end(), [&](const Shard* a, const Shard* b) {
    return wider(a->view.dtype(), b->view.dtype());
  });
  std::stable_sort(declared.begin(), declared.end(),
                   [&](const auto& a, const auto& b) { return wider(a.dtype, b.dtype); });
  StateWriter writer(run_folder, step, declared);
  for (const Shard* shard : order) writer.write(shard->name, shard->view);
  return writer.commit(trainer_state_json);
}

}  // namespace lckv::checkpoint
