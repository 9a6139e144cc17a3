#pragma once

#include <chrono>
#include <mutex>
#include <vector>

#include "lckv/comm/rank_record.h"

namespace lckv::comm {

/// The newest record of every rank of a world, and when it came. From any thread.
class RankTable {
 public:
  explicit RankTable(int ranks) : entries_(static_cast<size_t>(ranks)) {}

  void hear(const RankRecord& record);
  /// By rank; nothing is older than `awake_s`.
  std::vector<HeardRank> heard(double awake_s) const;
  /// Whether any rank has told of a call that was under way for longer: most of the time none has,
  /// and nothing needs to be copied.
  bool any_call_older_than(double age_s) const;

 private:
  using Clock = std::chrono::steady_clock;
  struct Entry {
    bool heard = false;
    Clock::time_point came = Clock::now();
    RankRecord record;
    double age_s() const { return std::chrono::duration<double>(Clock::now() - came).count(); }
  };

  mutable std::mutex mutex_;
  std::vector<Entry> entries_;
};

}  // namespace lckv::comm
