#include "lckv/comm/rank_record.h"

#include <algorithm>
#include <type_traits>

#include <unistd.h>

#include "lckv/base/activity.h"
#include "lckv/comm/mailbox.h"
#include "lckv/comm/world.h"

namespace lckv::comm {

static_assert(std::is_trivially_copyable_v<RankRecord>);
static_assert(sizeof(RankRecord) <= Mailbox::kMaxBytes);

void RankRecord::set_collectives(const std::vector<CollectiveState>& states) {
  const size_t count = std::min(states.size(), kMaxCollectives);
  std::copy_n(states.begin(), count, collective.begin());
  collective_count = static_cast<int32_t>(count);
  whole = count == states.size();
}

RankRecord record_here(const World& world, double awake_s) {
  const Activity activity = current_activity();
  RankRecord record;
  record.rank = world.rank();
  record.pid = getpid();
  record.host = world.host();
  record.phase = activity.phase;
  record.idle_s = std::min(activity.idle_s, awake_s);
  record.progress = activity.progress;
  std::vector<CollectiveState> states = collectives_here();
  for (CollectiveState& state : states) state.age_s = std::min(state.age_s, awake_s);
  record.set_collectives(states);
  return record;
}

}  // namespace lckv::comm
