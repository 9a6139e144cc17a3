#include "lckv/train/run_resume.h"

#include <set>

#include "lckv/base/log.h"
#include "lckv/base/text.h"
#include "lckv/checkpoint/state.h"
#include "lckv/checkpoint/state_reader.h"
#include "lckv/comm/agreement.h"
#include "lckv/train/state_snapshot.h"

namespace lckv::train {

namespace {

/// The tensors of the state are exactly those of this run, of this rank's part at least.
void require_same_tensors(const checkpoint::StateReader& state, const Trainer& trainer,
                          const std::vector<checkpoint::Shard>& shards) {
  const std::string place = state.path().string();
  for (const checkpoint::Shard& shard : shards) {
    const checkpoint::TensorInfo info = state.info(shard.name);
    if (info.dtype == shard.view.dtype() && info.shape == shard.global_shape) continue;
    throw DataError(format("{}: tensor '{}' is {}{}, expected {}{}", place, shard.name,
                           name(info.dtype), to_string(info.shape), name(shard.view.dtype()),
                           to_string(shard.global_shape)));
  }
  const size_t expected = 3 * trainer.weights().table().parameters.size();
  if (state.tensors().size() == expected) return;
  throw DataError(
      format("{}: holds {} tensors, this run saves {}", place, state.tensors().size(), expected));
}

}  // namespace

std::optional<RunPosition> resume_run(const std::filesystem::path& run_folder, Trainer& trainer,
                                      Stream& stream, const RunRecord& now,
                                      const std::atomic<bool>& stop) {
  comm::Communicator& world = *trainer.ranks().world;
  const auto folder = checkpoint::find_latest_state(world, run_folder, &stop);
  if (!folder) return std::nullopt;
  RunPosition position;
  comm::together(world, [&] {
    checkpoint::StateReader state(*folder);
    const RunRecord saved = parse_record(state.trainer_state_json(), folder->string());
    require_same_run(now, saved, folder->string());
    const std::vector<checkpoint::Shard> shards = shards_to_load(trainer);
    require_same_tensors(state, trainer, shards);
    for (const checkpoint::Shard& shard : shards) {
      if (stop) throw Interrupted("stopped while the saved state was read");
      state.read(shard.name, shard.slice, shard.view);
    }
    position = saved.position;
    const std::string differs = another_order_of_sums(now, saved);
    if (world.rank() == 0 && !differs.empty()) {
      log_warning(differs + ": it continues, but not bit for bit");
    }
  });
  trainer.gather_weights(stream);
  return position;
}

}  // namespace lckv::train
