#include "lckv/comm/collective_log.h"

#include <algorithm>
#include <chrono>
#include <tuple>

#include "lckv/base/activity.h"

namespace lckv::comm {

namespace {

int64_t now_ns() {
  return std::chrono::duration_cast<std::chrono::nanoseconds>(
             std::chrono::steady_clock::now().time_since_epoch())
      .count();
}

struct Log {
  std::mutex mutex;
  std::vector<const CollectiveSlot*> slots;
};

Log& log() {
  static Log* instance = new Log;  // outlives groups that static objects hold
  return *instance;
}

}  // namespace

const char* name(Lane lane) {
  switch (lane) {
    case Lane::kBlocking:
      return "blocking";
    case Lane::kStarted:
      return "started";
    case Lane::kDevice:
      return "device";
  }
  throw InternalError("unknown lane");
}

GroupIdentity make_identity(const std::string& name, Waiting waiting, int split,
                            const std::vector<int>& world_ranks) {
  GroupIdentity group{.name = name,
                      .waiting = waiting,
                      .split = split,
                      .size = static_cast<int32_t>(world_ranks.size()),
                      .first = world_ranks.front()};
  if (world_ranks.size() < 2) return group;
  const int stride = world_ranks[1] - world_ranks[0];
  const bool regular =
      std::adjacent_find(world_ranks.begin(), world_ranks.end(),
                         [&](int a, int b) { return b - a != stride; }) == world_ranks.end();
  if (regular) group.stride = stride;
  return group;
}

CollectiveSlot::CollectiveSlot(const GroupIdentity& group, Lane lane) {
  last_.group = group;
  last_.lane = lane;
  const std::lock_guard lock(log().mutex);
  log().slots.push_back(this);
}

CollectiveSlot::~CollectiveSlot() {
  const std::lock_guard lock(log().mutex);
  std::erase(log().slots, this);
}

void CollectiveSlot::begin(const Collective& call, int64_t number) {
  note_progress();
  const int64_t now = now_ns();
  const std::lock_guard lock(mutex_);
  last_.kind = call.kind;
  last_.under_way = true;
  last_.number = number;
  last_.bytes = call.x ? call.x.bytes() : 0;
  last_.label = call.label;
  begun_ns_ = now;
}

void CollectiveSlot::end() {
  note_progress();
  const std::lock_guard lock(mutex_);
  last_.under_way = false;
}

CollectiveState CollectiveSlot::state() const { return state_at(now_ns()); }

CollectiveState CollectiveSlot::state_at(int64_t time_ns) const {
  const bool runs_in_main =
      last_.lane == Lane::kBlocking && last_.group.waiting == Waiting::kPrompt;
  const std::lock_guard lock(mutex_);
  CollectiveState state = last_;
  state.main_waits = state.under_way && (runs_in_main || main_waits_);
  state.age_s = static_cast<double>(time_ns - begun_ns_) * 1e-9;
  return state;
}

std::vector<CollectiveState> collectives_here() {
  std::vector<CollectiveState> states;
  const int64_t now = now_ns();  // one for all: ages are compared
  {
    const std::lock_guard lock(log().mutex);
    for (const CollectiveSlot* slot : log().slots) {
      states.push_back(slot->state_at(now));
      if (states.back().number < 0) states.pop_back();
    }
  }
  std::stable_sort(
      states.begin(), states.end(), [](const CollectiveState& a, const CollectiveState& b) {
        return std::make_tuple(!a.under_way, a.age_s) < std::make_tuple(!b.under_way, b.age_s);
      });
  return states;
}

}  // namespace lckv::comm
