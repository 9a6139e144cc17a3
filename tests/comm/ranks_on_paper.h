#pragma once

#include <utility>
#include <vector>

#include "lckv/comm/stall.h"

namespace lckv::comm::test {

constexpr StallLimits kLimits{.stall_s = 10, .silent_s = 5};

inline CollectiveState done(const GroupIdentity& group, int64_t number) {
  CollectiveState state;
  state.group = group;
  state.kind = CollectiveKind::kAllReduce;
  state.number = number;
  state.bytes = 4 << 20;
  state.label = "gradients";
  return state;
}

inline CollectiveState under_way(const GroupIdentity& group, int64_t number, double age_s) {
  CollectiveState state = done(group, number);
  state.under_way = true;
  state.main_waits = group.waiting == Waiting::kPrompt;
  state.age_s = age_s;
  return state;
}

inline CollectiveState started(const GroupIdentity& group, int64_t number, double age_s,
                               bool main_waits) {
  CollectiveState state = under_way(group, number, age_s);
  state.lane = Lane::kStarted;
  state.main_waits = main_waits;
  return state;
}

/// What the ranks of a world have told, all of them just now.
struct RanksOnPaper {
  explicit RanksOnPaper(int count) : heard(static_cast<size_t>(count)) {
    for (int rank = 0; rank < count; ++rank) at(rank, {}, 0);
  }

  /// The lanes of that rank, and how long ago it made progress.
  void at(int rank, const std::vector<CollectiveState>& lanes, double idle_s) {
    HeardRank& told = heard[static_cast<size_t>(rank)];
    told = {.heard = true, .age_s = 0, .record = {}};
    told.record.rank = rank;
    told.record.pid = 100 + rank;
    told.record.host = "node" + std::to_string(rank / 2);
    told.record.phase = "training";
    told.record.idle_s = idle_s;
    told.record.set_collectives(lanes);
  }

  std::vector<HeardRank> heard;
};

struct Pairs {
  std::vector<GroupIdentity> tp, dp;
};

/// dp 2 x tp 2: tp {0, 1} and {2, 3}, dp {0, 2} and {1, 3}.
inline Pairs grid_of_pairs() {
  return {.tp = {make_identity("tp", Waiting::kPrompt, 2, {0, 1}),
                 make_identity("tp", Waiting::kPrompt, 2, {2, 3})},
          .dp = {make_identity("dp", Waiting::kPrompt, 3, {0, 2}),
                 make_identity("dp", Waiting::kPrompt, 3, {1, 3})}};
}

}  // namespace lckv::comm::test
