#include <map>
#include <random>

#include <gtest/gtest.h>

#include "ranks_on_paper.h"

// Programs of collectives on grids, played until nothing moves any more, with one fault at a place
// drawn at random: the report must name the rank that has it, wherever the others wait by then.

namespace lckv::comm {
namespace {

using test::done;
using test::kLimits;
using test::RanksOnPaper;
using test::started;
using test::under_way;

enum class Axis { kAll, kTp, kDp };
enum class How { kBlocking, kStart, kFinish };  // kFinish waits for all that was started

struct Step {
  How how;
  Axis axis;
  std::string label;
};

struct LaneOf {
  int64_t begun = -1;
  int64_t ended = -1;
  std::vector<std::string> queue;  // by number
};

/// Ranks that carry out the same program, dp x tp.
class Play {
 public:
  Play(int dp, int tp, std::vector<Step> program)
      : dp_(dp), tp_(tp), program_(std::move(program)), ranks_(static_cast<size_t>(dp * tp)) {
    for (int rank = 0; rank < size(); ++rank) {
      for (const Axis axis : {Axis::kAll, Axis::kTp, Axis::kDp}) group_of(rank, axis);
    }
  }

  int size() const { return dp_ * tp_; }
  int faulty = 0;
  size_t fault_at = 0;
  bool skips = false;  // the step; else it never begins it

  void run() {
    for (bool moved = true; moved;) {
      moved = false;
      for (int rank = 0; rank < size(); ++rank) moved |= advance(rank);
      moved |= end_lanes();
    }
  }

  bool anybody_waits() const {
    for (const auto& [key, lane] : lanes_) {
      if (lane.begun > lane.ended) return true;
    }
    return false;
  }

  /// All as old as it takes; what `faulty` does is none of our business.
  RanksOnPaper tell() const {
    RanksOnPaper told(size());
    for (int rank = 0; rank < size(); ++rank) {
      std::vector<CollectiveState> states;
      for (const auto& [key, lane] : lanes_) {
        if (std::get<0>(key) == rank && lane.begun >= 0) states.push_back(state(key, lane));
      }
      told.at(rank, states, 20);
    }
    return told;
  }

 private:
  using Key = std::tuple<int, Axis, Lane>;

  struct Rank {
    size_t at = 0;
    bool entered = false;  // the blocking call at `at`
  };

  CollectiveState state(const Key& key, const LaneOf& lane) const {
    const auto [rank, axis, which] = key;
    const GroupIdentity& group = groups_.at({rank, axis});
    const bool finishing = ranks_[static_cast<size_t>(rank)].at < program_.size() &&
                           program_[ranks_[static_cast<size_t>(rank)].at].how == How::kFinish;
    CollectiveState told = lane.begun == lane.ended ? done(group, lane.begun)
                           : which == Lane::kStarted
                               ? started(group, lane.begun, 20, finishing && !hangs(rank))
                               : under_way(group, lane.begun, 20);
    told.lane = which;
    told.label = lane.queue[static_cast<size_t>(lane.begun)];
    return told;
  }

  void group_of(int rank, Axis axis) {
    std::vector<int> members;
    for (int other = 0; other < size(); ++other) {
      if (axis == Axis::kAll || (axis == Axis::kTp && other / tp_ == rank / tp_) ||
          (axis == Axis::kDp && other % tp_ == rank % tp_)) {
        members.push_back(other);
      }
    }
    groups_[{rank, axis}] =
        make_identity("group", Waiting::kPrompt, static_cast<int>(axis), members);
    members_[{rank, axis}] = members;
  }

  bool hangs(int rank) const {
    return rank == faulty && !skips && ranks_[static_cast<size_t>(rank)].at == fault_at;
  }

  bool advance(int rank) {
    Rank& r = ranks_[static_cast<size_t>(rank)];
    if (r.at == program_.size() || hangs(rank)) return false;
    const Step& step = program_[r.at];
    if (rank == faulty && skips && r.at == fault_at) {
      ++r.at;
      return true;
    }
    if (step.how == How::kFinish) {
      for (const Axis axis : {Axis::kAll, Axis::kTp, Axis::kDp}) {
        const LaneOf& lane = lanes_[{rank, axis, Lane::kStarted}];
        if (lane.ended + 1 < std::ssize(lane.queue)) return false;
      }
      ++r.at;
      return true;
    }
    const bool blocks = step.how == How::kBlocking;
    LaneOf& lane = lanes_[{rank, step.axis, blocks ? Lane::kBlocking : Lane::kStarted}];
    if (!r.entered) {
      lane.queue.push_back(step.label);
      r.entered = true;
    } else if (blocks && lane.ended + 1 < std::ssize(lane.queue)) {
      return false;
    }
    if (!blocks || members_[{rank, step.axis}].size() == 1) {
      ++r.at;
      r.entered = false;
      return true;
    }
    if (lane.ended + 1 == std::ssize(lane.queue)) {
      ++r.at;
      r.entered = false;
    }
    return true;
  }

  /// A lane begins what is queued, and ends it when all have begun the same.
  bool end_lanes() {
    bool moved = false;
    for (auto& [key, lane] : lanes_) {
      if (lane.begun == lane.ended && lane.begun + 1 < std::ssize(lane.queue)) {
        ++lane.begun;
        moved = true;
      }
    }
    for (auto& [key, lane] : lanes_) {
      if (lane.begun > lane.ended && all_begun(key, lane)) {
        ++lane.ended;
        moved = true;
      }
    }
    return moved;
  }

  bool all_begun(const Key& key, const LaneOf& lane) {
    const auto [rank, axis, which] = key;
    for (const int other : members_[{rank, axis}]) {
      const LaneOf& theirs = lanes_[{other, axis, which}];
      if (theirs.begun < lane.begun) return false;
      const auto at = static_cast<size_t>(lane.begun);
      if (theirs.queue[at] != lane.queue[at]) return false;
    }
    return true;
  }

  int dp_, tp_;
  std::vector<Step> program_;
  std::vector<Rank> ranks_;
  std::map<std::pair<int, Axis>, GroupIdentity> groups_;
  std::map<std::pair<int, Axis>, std::vector<int>> members_;
  std::map<Key, LaneOf> lanes_;
};

std::vector<Step> random_program(std::mt19937& random) {
  std::vector<Step> program;
  for (int i = 0; i < 30; ++i) {
    const auto axis = static_cast<Axis>(random() % 3);
    const unsigned how = random() % 10;
    program.push_back({how < 5   ? How::kBlocking
                       : how < 8 ? How::kStart
                                 : How::kFinish,
                       axis, "step " + std::to_string(i)});
  }
  program.push_back({How::kFinish, Axis::kAll, ""});
  program.push_back({How::kBlocking, Axis::kAll, "end"});
  return program;
}

Play random_play(std::mt19937& random) {
  const int dp = 1 << random() % 3, tp = dp == 1 ? 4 : 1 << random() % 3;
  Play play(dp, tp, random_program(random));
  play.faulty = static_cast<int>(random() % static_cast<unsigned>(play.size()));
  play.fault_at = random() % 31;
  return play;
}

TEST(StallSimulation, EndsWhereNobodyHasAFault) {
  std::mt19937 random(1);
  for (int i = 0; i < 200; ++i) {
    Play play = random_play(random);
    play.fault_at = 1000;
    play.run();
    ASSERT_FALSE(play.anybody_waits()) << i;
    EXPECT_FALSE(find_stall(play.tell().heard, kLimits).has_value());
  }
}

TEST(StallSimulation, NamesTheRankThatHangsAndNoOther) {
  std::mt19937 random(2);
  int stalls = 0;
  for (int i = 0; i < 2000; ++i) {
    Play play = random_play(random);
    play.run();
    RanksOnPaper told = play.tell();
    const auto stall = find_stall(told.heard, kLimits);
    ASSERT_EQ(stall.has_value(), play.anybody_waits()) << i;
    if (!stall) continue;
    ++stalls;
    EXPECT_EQ(stall->reason, LagReason::kBehind) << i << ": " << to_text(*stall, told.heard);
    EXPECT_EQ(stall->ranks, std::vector<int>{play.faulty}) << i << to_text(*stall, told.heard);
    // It only computes.
    told.heard[static_cast<size_t>(play.faulty)].record.idle_s = 1;
    EXPECT_FALSE(find_stall(told.heard, kLimits).has_value()) << i;
    // It is stopped.
    told.heard[static_cast<size_t>(play.faulty)].age_s = 9;
    const auto silent = find_stall(told.heard, kLimits);
    ASSERT_TRUE(silent.has_value()) << i;
    EXPECT_EQ(silent->reason, LagReason::kSilent) << i;
    EXPECT_EQ(silent->ranks, std::vector<int>{play.faulty}) << i;
  }
  EXPECT_GT(stalls, 1500);
}

TEST(StallSimulation, NamesTheRankThatLeavesACallOut) {
  std::mt19937 random(3);
  int stalls = 0;
  for (int i = 0; i < 2000; ++i) {
    Play play = random_play(random);
    play.skips = true;
    play.run();
    const RanksOnPaper told = play.tell();
    const auto stall = find_stall(told.heard, kLimits);
    ASSERT_EQ(stall.has_value(), play.anybody_waits()) << i;
    if (!stall) continue;
    ++stalls;
    const bool named = std::count(stall->ranks.begin(), stall->ranks.end(), play.faulty) > 0;
    EXPECT_TRUE(named) << i << ": rank " << play.faulty << " left step " << play.fault_at
                       << " out, told: " << to_text(*stall, told.heard);
  }
  EXPECT_GT(stalls, 1000);
}

}  // namespace
}  // namespace lckv::comm
