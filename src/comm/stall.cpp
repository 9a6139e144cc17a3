#include "lckv/comm/stall.h"

#include <algorithm>
#include <map>
#include <set>
#include <tuple>

namespace lckv::comm {

namespace {

/// What tells a call from every other of the world: the group's split and first rank, lane, number.
using CallKey = std::tuple<int32_t, int32_t, Lane, int64_t>;
CallKey key_of(const CollectiveState& call) {
  return {call.group.split, call.group.first, call.lane, call.number};
}

bool same_lane(const CollectiveState& a, const CollectiveState& b) {
  return a.group == b.group && a.lane == b.lane;
}
bool same_work(const CollectiveState& a, const CollectiveState& b) {
  return a.kind == b.kind && a.bytes == b.bytes && a.label == b.label;
}
bool is_patient(const CollectiveState& call) { return call.group.waiting == Waiting::kPatient; }

class Search {
 public:
  Search(const std::vector<HeardRank>& ranks, const StallLimits& limits)
      : ranks_(ranks), limits_(limits) {}

  std::optional<Stall> run() {
    follow_calls_older_than(limits_.stall_s);
    std::optional<Stall> stall = conclusion();
    if (!stall) return stall;
    // Who waits for the same ranks, but not too long yet, is only told of.
    follow_calls_older_than(limits_.stall_s / 2);
    stall->calls = stalled_calls(stall->reason, {stall->ranks.begin(), stall->ranks.end()});
    return stall;
  }

 private:
  /// A call that was followed, as the first rank has it that led there.
  struct Followed {
    const CollectiveState* call;
    bool found = false;  // the cause
    std::set<int> missing{};
  };
  /// A step on the way from call to call: `rank`, missing in the one before, waits in this one.
  struct Step {
    int rank;
    const CollectiveState* call;
  };

  int size() const { return static_cast<int>(ranks_.size()); }
  const HeardRank& heard(int rank) const { return ranks_[static_cast<size_t>(rank)]; }
  const RankRecord& record(int rank) const { return heard(rank).record; }
  bool answers(int rank) const {
    return heard(rank).heard && (record(rank).leaves || heard(rank).age_s <= limits_.silent_s);
  }
  double age_s(int rank, const CollectiveState& call) const {
    return call.age_s + heard(rank).age_s;
  }

  /// Where `rank` stands in the lane of `call`; nullptr where it has begun nothing there.
  const CollectiveState* place(int rank, const CollectiveState& call) const {
    for (const CollectiveState& own : record(rank).collectives()) {
      if (same_lane(own, call)) return &own;
    }
    return nullptr;
  }

  void follow_calls_older_than(double limit_s) {
    for (int rank = 0; rank < size(); ++rank) {
      if (!answers(rank) || record(rank).leaves) continue;
      for (const CollectiveState& call : record(rank).collectives()) {
        if (call.under_way && !is_patient(call) && age_s(rank, call) > limit_s) {
          explained(rank, call);
        }
      }
    }
  }

  /// The other ranks of its group; of one without a rule those that have begun a call in it.
  std::vector<int> others(int rank, const CollectiveState& call) const {
    const GroupIdentity& group = call.group;
    std::vector<int> found;
    if (group.stride > 0) {
      for (int i = 0; i < group.size; ++i) found.push_back(group.first + i * group.stride);
    } else {
      for (int other = 0; other < size(); ++other) {
        if (place(other, call) != nullptr) found.push_back(other);
      }
    }
    std::erase(found, rank);
    return found;
  }

  /// Follows what `rank` waits for in `call`, which is what all wait for that are in it; whether
  /// that ends at a rank that lags or makes progress. It does not where it leads back into itself.
  bool explained(int rank, const CollectiveState& call) {
    const auto [known, is_new] = followed_.try_emplace(key_of(call), Followed{.call = &call});
    Followed& followed = known->second;
    if (!is_new) {
      note_circle(rank, call);
      return followed.found;
    }
    path_.push_back({rank, &call});
    for (const int other : others(rank, call)) {
      const Look look = look_at(other, rank, call);
      if (look != Look::kThere) followed.missing.insert(other);
      followed.found |= look == Look::kCause;
    }
    path_.pop_back();
    if (followed.missing.empty()) followed.found = all_there(rank, call);
    return followed.found;
  }

  enum class Look { kThere, kMissing, kCause };  // kCause: it is missing, and is known why

  /// What `other` is to `rank`, which waits in `call`.
  Look look_at(int other, int rank, const CollectiveState& call) {
    if (!answers(other)) return lags(LagReason::kSilent, other);
    const CollectiveState* own = place(other, call);
    // What finds no room in a record is not known to be missing.
    const bool ahead = own != nullptr ? own->number > call.number : !record(other).whole;
    if (ahead) return Look::kThere;
    if (own != nullptr && own->number == call.number) {
      if (same_work(*own, call)) return Look::kThere;
      lags(LagReason::kMismatch, rank);
      return lags(LagReason::kMismatch, other);
    }
    if (record(other).leaves) return overdue(LagReason::kGone, other, heard(other).age_s);
    return why_behind(other, own, call) ? Look::kCause : Look::kMissing;
  }

  /// `other` has not begun `call`; whether the reason is found.
  bool why_behind(int other, const CollectiveState* own, const CollectiveState& call) {
    // Its lane is still in an earlier call.
    if (own != nullptr && own->under_way) return explained(other, *own);
    const auto main_waits = [](const CollectiveState& c) { return c.main_waits; };
    const auto beside_waits = [](const CollectiveState& c) {
      return c.under_way && (is_patient(c) || c.lane == Lane::kDevice);
    };
    if (is_patient(call)) {
      // The thread that should come is not the main one: that one's waiting may have its own cause,
      // or be a consequence of this.
      if (leads_on(other, beside_waits) == true || leads_on(other, main_waits) == true) return true;
    } else {
      if (const auto found = leads_on(other, main_waits)) return *found;
      // The main thread may wait for one beside it or for the device, which the log of collectives
      // cannot tell.
      if (const auto found = leads_on(other, beside_waits)) return *found;
    }
    overdue(LagReason::kBehind, other, record(other).idle_s + heard(other).age_s);
    return true;
  }

  /// Whether what `rank` waits for is explained; nothing where no call fits `chosen`.
  template <class Chosen>
  std::optional<bool> leads_on(int rank, const Chosen& chosen) {
    std::optional<bool> found;
    for (const CollectiveState& call : record(rank).collectives()) {
      if (chosen(call)) found = explained(rank, call) || found.value_or(false);
    }
    return found;
  }

  Look lags(LagReason reason, int rank) {
    lagging_[reason].insert(rank);
    return Look::kCause;
  }
  /// It lags where that has lasted long enough; else it may still come.
  Look overdue(LagReason reason, int rank, double for_s) {
    if (for_s > limits_.stall_s) return lags(reason, rank);
    progresses_ = true;
    return Look::kCause;
  }

  /// No rank is missing.
  bool all_there(int rank, const CollectiveState& call) {
    std::vector<int> there = others(rank, call);
    there.push_back(rank);
    std::erase_if(there, [&](int other) { return !waits_in(other, call); });
    for (const int other : there) {
      overdue(LagReason::kTransport, other, age_s(other, *place(other, call)));
    }
    return true;
  }

  bool waits_in(int rank, const CollectiveState& call) const {
    const CollectiveState* own = place(rank, call);
    return own != nullptr && own->under_way && own->number == call.number;
  }

  /// `rank` waits in `call`, through which the path may have come: then all ranks on it since lag.
  void note_circle(int rank, const CollectiveState& call) {
    auto step = std::find_if(path_.begin(), path_.end(), [&](const Step& other) {
      return key_of(*other.call) == key_of(call);
    });
    if (step == path_.end()) return;
    overdue(LagReason::kCircle, rank, age_s(rank, call));
    while (++step != path_.end()) {
      overdue(LagReason::kCircle, step->rank, age_s(step->rank, *step->call));
    }
  }

  std::optional<Stall> conclusion() const {
    for (const auto& [reason, ranks] : lagging_) {  // in the order of LagReason
      const bool guessed = reason == LagReason::kCircle || reason == LagReason::kTransport;
      if (guessed && progresses_) return std::nullopt;
      return Stall{.reason = reason, .ranks = {ranks.begin(), ranks.end()}, .calls = {}};
    }
    return std::nullopt;
  }

  /// The calls that ranks of `lagging` hold up, then those that ranks waiting there hold up, and so
  /// on; each with all that wait in it.
  std::vector<StalledCall> stalled_calls(LagReason reason, const std::set<int>& lagging) const {
    // Where a rank does not come, whatever else it waits in is not worth a word.
    const bool comes = reason == LagReason::kMismatch || reason == LagReason::kCircle ||
                       reason == LagReason::kTransport;
    std::vector<StalledCall> others;
    for (const auto& [key, followed] : followed_) {
      others.push_back(stalled_call(*followed.call, comes ? std::set<int>{} : lagging));
      others.back().missing.assign(followed.missing.begin(), followed.missing.end());
      if (others.back().waiting.empty()) others.pop_back();
    }
    std::vector<StalledCall> calls;
    for (std::set<int> reached = lagging; !reached.empty();) {
      const auto begin = std::stable_partition(
          others.begin(), others.end(),
          [&](const StalledCall& call) { return !is_held_up_by(reached, call); });
      reached.clear();
      for (auto call = begin; call != others.end(); ++call) {
        reached.insert(call->waiting.begin(), call->waiting.end());
        calls.push_back(std::move(*call));
      }
      others.erase(begin, others.end());
    }
    return calls;
  }

  static bool is_held_up_by(const std::set<int>& ranks, const StalledCall& call) {
    const std::vector<int>& by = call.missing.empty() ? call.waiting : call.missing;
    return std::any_of(by.begin(), by.end(), [&](int rank) { return ranks.count(rank) > 0; });
  }

  StalledCall stalled_call(const CollectiveState& call, const std::set<int>& left_out) const {
    StalledCall stalled;
    for (int rank = 0; rank < size(); ++rank) {
      if (!answers(rank) || left_out.count(rank) > 0 || !waits_in(rank, call)) continue;
      const CollectiveState& own = *place(rank, call);
      if (age_s(rank, own) >= stalled.age_s) {
        stalled.call = own;
        stalled.age_s = age_s(rank, own);
      }
      stalled.waiting.push_back(rank);
    }
    return stalled;
  }

  const std::vector<HeardRank>& ranks_;
  const StallLimits& limits_;
  std::map<CallKey, Followed> followed_;
  std::vector<Step> path_;  // to the call that is looked at
  std::map<LagReason, std::set<int>> lagging_;
  bool progresses_ = false;
};

}  // namespace

std::optional<Stall> find_stall(const std::vector<HeardRank>& ranks, const StallLimits& limits) {
  return Search(ranks, limits).run();
}

}  // namespace lckv::comm
