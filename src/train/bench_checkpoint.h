#pragma once

#include <atomic>
#include <string>
#include <vector>

#include "lckv/comm/world.h"
#include "lckv/config/run.h"
#include "lckv/train/bench_run.h"
#include "lckv/train/run_saver.h"

namespace lckv::train {

struct BenchCheckpointSettings {
  int64_t steps = 5;         // timed without saves; one more before every save
  int64_t warmup_steps = 1;  // before
  int64_t saves = 3;         // of each kind
  std::string folder;        // must be empty or not exist; "": a new one in the run's `output`
  int64_t copy_bytes = int64_t{64} << 20;  // of a memory copy to compare with; beyond every cache
};

/// One save and what followed it, each time that of its slowest rank.
struct MeasuredSave {
  int64_t step = 0;
  SaveCost cost;               // for which training stood still
  double written_s = 0;        // until the state stood
  std::vector<double> step_s;  // steps begun before every rank knew that; at least one
  double verify_s = 0;         // find_latest_state(), from the disk where the system forgets files
  double read_s = 0;  // own parts into the trainer, weights made whole; files just verified
};

/// What `lckv bench checkpoint` measures. Equal on all ranks.
struct BenchCheckpointResult : BenchSubject {
  std::string folder;
  std::vector<int64_t> rank_bytes;  // of tensors that each rank writes
  int64_t snapshot_bytes = 0;       // of the largest rank: copied by an asynchronous save
  int64_t copy_bytes = 0;
  std::vector<double> copy_s;  // of that many, on all ranks at once with all their threads
  std::vector<double> step_s;  // without saves
  std::vector<MeasuredSave> synchronous, asynchronous;

  int64_t bytes() const;  // of a state
  double copy_bytes_per_s() const { return double(copy_bytes) / median(copy_s); }
  double snapshot_bytes_per_s() const;
  /// By which the steps under an asynchronous save exceed steps without saves: their number times
  /// their median's excess. Below zero where nothing but noise is left.
  double slower_s(const MeasuredSave& save) const;
};

/// What one save costs the training: medians of the saves, which add up.
struct LostPerSave {
  double synchronous_s = 0;
  double copied_s = 0, waited_s = 0, slower_s = 0;  // asynchronous
  double asynchronous_s() const { return copied_s + waited_s + slower_s; }
};
LostPerSave lost_per_save(const BenchCheckpointResult& result);

/// Trains on random tokens of the config's shapes (its data files are not read) and saves in turn
/// synchronously and asynchronously, as a run does, with fsync and the removal of the state before.
/// An asynchronous save has ended before anything else begins; steps go on until then. Every state
/// is loaded into the trainer again: its tensors must be those of the moment of its save, bit for
/// bit, and must have changed since.
///
/// Collective over the world. Throws on every rank: DataError when the folder is not empty or a
/// state is damaged; Error (kCheckFailed) when a state holds something else; Error (kDiverged) when
/// steps leave the tensors as they are; IoError; Interrupted when `stop` becomes true on any. The
/// folder is removed in every case.
BenchCheckpointResult bench_checkpoint(comm::World& world, const config::RunConfig& config,
                                       const BenchCheckpointSettings& settings,
                                       const std::atomic<bool>& stop);

std::string to_text(const BenchCheckpointResult& result);
std::string to_json(const BenchCheckpointResult& result);

}  // namespace lckv::train
