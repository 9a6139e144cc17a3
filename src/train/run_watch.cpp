#include "lckv/train/run_watch.h"

#include <algorithm>
#include <chrono>
#include <future>
#include <memory>
#include <thread>

#include "lckv/base/activity.h"
#include "lckv/comm/agreement.h"

namespace lckv::train {

namespace {

StopWatcher::Options stop_options(const comm::World& world, const config::RunConfig& config) {
  StopWatcher::Options options;
  options.who = world.describe_rank();
  options.phase = [] { return std::string(current_activity().phase); };
  if (world.rank() == 0) options.time_limit_s = config.train.time_limit_s;
  return options;
}

}  // namespace

RunWatch::RunWatch(comm::World& world, const config::RunConfig& config,
                   const std::atomic<bool>& asked)
    : world_(world),
      stop_(asked, stop_options(world, config)),
      watchdog_(world, watchdog_options(config)) {
  note_activity(name(state_));
}

comm::WatchdogOptions RunWatch::watchdog_options(const config::RunConfig& config) {
  comm::WatchdogOptions options;
  options.stall_timeout_s = config.guards.stall_timeout_s;
  options.stacks_folder = config.output;
  options.stop_here = [this] { return stop_.stop().load(); };
  options.on_stop_elsewhere = [this](int rank) { stop_.stop_elsewhere(rank); };
  options.on_stall = [this](const std::string& message) {
    const std::lock_guard lock(mutex_);
    if (status_ != nullptr) status_->end(RunState::kFailed, message);
    if (on_stall_) tell_stall(message);
  };
  return options;
}

std::string RunWatch::agreed_reason() {
  const std::vector<std::string> reasons = comm::gather_texts(world_.all(), stop_.reason());
  const auto is_own = [](const std::string& reason) {
    return !reason.empty() && !reason.starts_with("rank ");
  };
  const auto told = std::find_if(reasons.begin(), reasons.end(), is_own);
  return told != reasons.end() ? *told : reasons.front();
}

void RunWatch::enter(RunState state) {
  state_ = state;
  note_activity(name(state));
  const std::lock_guard lock(mutex_);
  if (status_ != nullptr) status_->enter(state);
}

void RunWatch::show_health() {
  const std::lock_guard lock(mutex_);
  if (status_ == nullptr) return;
  StatusPage::SlowestRank slowest;
  for (const comm::RankHealth& rank : watchdog_.health()) {
    if (rank.heard && !rank.left && rank.age_s > slowest.age_s) slowest = {rank.rank, rank.age_s};
  }
  status_->update([&](StatusPage& page) { page.health.slowest_rank = slowest; });
}

void RunWatch::call_on_stall(std::function<void(const std::string&)> tell) {
  const std::lock_guard lock(mutex_);
  on_stall_ = std::move(tell);
}

/// In a thread of its own, which a disk that hangs may hold for as long as the process lives.
void RunWatch::tell_stall(const std::string& message) {
  constexpr std::chrono::seconds kPatience(2);
  const auto told = std::make_shared<std::promise<void>>();
  std::thread([tell = on_stall_, message, told] {
    tell(message);
    told->set_value();
  }).detach();
  told->get_future().wait_for(kPatience);
}

void RunWatch::show_in(RunStatus* status) {
  const std::lock_guard lock(mutex_);
  status_ = status;
}

}  // namespace lckv::train
