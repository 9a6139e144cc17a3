#pragma once

#include <memory>
#include <optional>
#include <string>

#include "lckv/checkpoint/background_saver.h"
#include "lckv/checkpoint/retention.h"
#include "lckv/comm/world.h"
#include "lckv/train/run_record.h"
#include "lckv/train/state_snapshot.h"

namespace lckv::train {

/// What training paid for a save.
struct SaveCost {
  bool skipped = false;  // the one before was still being written
  double waited_s = 0;   // for the one before, and for the metrics to be on the disk
  double copied_s = 0;   // check and snapshot; 0 for a synchronous save
  double written_s = 0;  // of a synchronous save
  double lost_s() const { return waited_s + copied_s + written_s; }
};

/// Saves a run's states as `checkpoint:` of its configuration says, at once or beside the training,
/// and removes old ones. Every function but the queries is collective over the run's ranks.
class RunSaver {
 public:
  /// `snapshot` may be nullptr: then every save is synchronous.
  RunSaver(comm::World& world, const config::RunConfig& config, const Trainer& trainer,
           StateSnapshot* snapshot);

  /// Saves the trainer as it is. When it returns the trainer may go on; the state stands then or
  /// later. Throws on every rank what this save, or the one before, met on any; AgreedError
  /// (kDiverged) when the trainer's tensors are not finite: such a state is no use to anybody.
  ///
  ///   when_busy   what happens when the save before is still being written
  SaveCost save(Stream& stream, const RunRecord& record,
                config::WhenBusy when_busy = config::WhenBusy::kWait);
  /// Returns when every state that was begun stands.
  void finish();

  /// A background save has failed: finish() will throw. Not collective; ranks differ for a moment.
  bool failed() const { return background_ && background_->failed(); }
  /// The oldest state that has come to stand and was not taken yet; call until there is none. Not
  /// collective.
  std::optional<checkpoint::SaveDone> take_done();

 private:
  bool busy_anywhere() const;
  void require_finite(Stream& stream, int64_t step) const;
  void start_in_background(Stream& stream, const RunRecord& record);
  void save_now(const RunRecord& record);
  void remove_old(const RunPosition& position) const;

  const config::RunConfig& config_;
  const Trainer& trainer_;
  StateSnapshot* snapshot_;
  std::unique_ptr<checkpoint::BackgroundSaver> background_;
  std::optional<checkpoint::SaveDone> done_;  // of the newest synchronous save
};

}  // namespace lckv::train
