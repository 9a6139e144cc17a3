#include "lckv/train/run_saver.h"

#include <chrono>
#include <thread>

#include "lckv/base/clock.h"
#include "lckv/base/text.h"
#include "lckv/checkpoint/state.h"
#include "lckv/comm/agreement.h"

namespace lckv::train {

RunSaver::RunSaver(comm::World& world, const config::RunConfig& config, const Trainer& trainer,
                   StateSnapshot* snapshot)
    : config_(config), trainer_(trainer), snapshot_(snapshot) {
  if (snapshot_ == nullptr) return;
  background_ = std::make_unique<checkpoint::BackgroundSaver>(
      world.split("save", 0, comm::Waiting::kPatient));
}

bool RunSaver::busy_anywhere() const {
  return comm::any_rank(*trainer_.ranks().world, background_->busy(), "save under way");
}

void RunSaver::remove_old(const RunPosition& position) const {
  checkpoint::Retention retention{config_.checkpoint.keep_last, config_.checkpoint.keep_every_steps,
                                  std::nullopt};
  if (config_.checkpoint.keep_best && position.best) retention.best_step = position.best->step;
  checkpoint::remove_superfluous_states(config_.output, position.step, retention);
}

void RunSaver::require_finite(Stream& stream, int64_t step) const {
  comm::Communicator& world = *trainer_.ranks().world;
  if (!comm::any_rank(world, !is_finite(stream, trainer_), "state is finite")) return;
  throw comm::AgreedError(
      format(
          "step {}: weights or the optimizer's moments are not finite: not saved; earlier states "
          "in {} are as they were",
          step, config_.output),
      ExitCode::kDiverged);
}

SaveCost RunSaver::save(Stream& stream, const RunRecord& record, config::WhenBusy when_busy) {
  SaveCost cost;
  if (background_ && when_busy == config::WhenBusy::kSkip && busy_anywhere()) {
    cost.skipped = true;
    return cost;
  }
  Stopwatch watch;
  finish();
  cost.waited_s = watch.elapsed_s();
  watch.restart();
  require_finite(stream, record.position.step);
  if (background_) {
    start_in_background(stream, record);
    cost.copied_s = watch.elapsed_s();
  } else {
    save_now(record);
    cost.written_s = watch.elapsed_s();
    done_ = {record.position.step, cost.written_s};
  }
  return cost;
}

void RunSaver::start_in_background(Stream& stream, const RunRecord& record) {
  snapshot_->take(stream, trainer_);
  background_->start({config_.output, record.position.step, snapshot_->shards(),
                      to_json(record, config_),
                      [this, position = record.position] { remove_old(position); }});
}

void RunSaver::save_now(const RunRecord& record) {
  comm::Communicator& world = *trainer_.ranks().world;
  checkpoint::save_state(world, config_.output, record.position.step, shards_to_save(trainer_),
                         to_json(record, config_));
  comm::together(world, [&] {
    if (world.rank() == 0) remove_old(record.position);
  });
}

void RunSaver::finish() {
  if (!background_) return;
  // Together, not each by itself: so a rank that stops meanwhile is missed.
  constexpr auto kBetweenLooks = std::chrono::milliseconds(5);
  while (busy_anywhere()) std::this_thread::sleep_for(kBetweenLooks);
  background_->wait();
}

std::optional<checkpoint::SaveDone> RunSaver::take_done() {
  if (background_) return background_->take_done();
  return std::exchange(done_, std::nullopt);
}

}  // namespace lckv::train
