#include "lckv/comm/rank_table.h"

#include <algorithm>

namespace lckv::comm {

void RankTable::hear(const RankRecord& record) {
  const std::lock_guard lock(mutex_);
  Entry& entry = entries_.at(static_cast<size_t>(record.rank));
  entry.heard = true;
  entry.came = Clock::now();
  entry.record = record;
}

std::vector<HeardRank> RankTable::heard(double awake_s) const {
  const std::lock_guard lock(mutex_);
  std::vector<HeardRank> ranks;
  ranks.reserve(entries_.size());
  for (const Entry& entry : entries_) {
    ranks.push_back(
        {.heard = entry.heard, .age_s = std::min(entry.age_s(), awake_s), .record = entry.record});
  }
  return ranks;
}

bool RankTable::any_call_older_than(double age_s) const {
  const std::lock_guard lock(mutex_);
  return std::any_of(entries_.begin(), entries_.end(), [&](const Entry& entry) {
    const auto calls = entry.record.collectives();
    return std::any_of(calls.begin(), calls.end(), [&](const CollectiveState& call) {
      return call.under_way && call.age_s + entry.age_s() > age_s;
    });
  });
}

}  // namespace lckv::comm
