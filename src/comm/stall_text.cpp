#include <algorithm>
#include <map>
#include <utility>

#include "lckv/base/text.h"
#include "lckv/comm/stall.h"

namespace lckv::comm {

namespace {

constexpr size_t kMostNamed = 8;

const HeardRank& at(const std::vector<HeardRank>& ranks, int rank) {
  return ranks[static_cast<size_t>(rank)];
}

std::string seconds(double s) { return format("{:.1f} s", s); }

std::string joined(const std::vector<std::string>& parts, const std::string& between) {
  std::string text;
  for (const std::string& part : parts) text += (text.empty() ? "" : between) + part;
  return text;
}

/// "rank 2", "ranks 0-3, 7", "ranks 0, 2, 4, ... (100 in all)"
std::string list(const std::vector<int>& ranks) {
  std::vector<std::string> parts;
  for (size_t begin = 0, end = 0; begin < ranks.size(); begin = end) {
    if (parts.size() == kMostNamed) {
      parts.push_back(format("... ({} in all)", ranks.size()));
      break;
    }
    for (end = begin + 1; end < ranks.size() && ranks[end] == ranks[end - 1] + 1;) ++end;
    parts.push_back(std::to_string(ranks[begin]));
    if (end - begin > 1) {
      parts.back() += format("{}{}", end - begin == 2 ? ", " : "-", ranks[end - 1]);
    }
  }
  return (ranks.size() == 1 ? "rank " : "ranks ") + joined(parts, ", ");
}

/// "rank 2 (node17, pid 123)"
std::string who(const std::vector<HeardRank>& ranks, int rank) {
  if (!at(ranks, rank).heard) return format("rank {}", rank);
  const RankRecord& record = at(ranks, rank).record;
  return format("rank {} ({}, pid {})", rank, record.host.view(), record.pid);
}

/// "reduce_scatter "dp gradients", 4.00 MiB"
std::string work(const CollectiveState& call) {
  return format("{} \"{}\"{}", name(call.kind), call.label.view(),
                call.bytes > 0 ? ", " + human_bytes(static_cast<double>(call.bytes)) : "");
}

/// "dp", "dp (started)", for the calls that run beside the main thread
std::string lane(const CollectiveState& call) {
  const std::string group = call.group.name.string();
  return call.lane == Lane::kBlocking ? group : format("{} ({})", group, name(call.lane));
}

std::string describe_lag(LagReason reason, const std::vector<HeardRank>& ranks, int rank) {
  const HeardRank& heard = at(ranks, rank);
  std::string name = who(ranks, rank);
  const std::string phase = heard.record.phase.string();
  switch (reason) {
    case LagReason::kSilent:
      if (!heard.heard)
        return format("{} has not been heard of for {}", name, seconds(heard.age_s));
      return format("{} does not answer since {}: stopped, or its machine is gone; it was {}", name,
                    seconds(heard.age_s), phase);
    case LagReason::kGone:
      return format("{} has ended its watch {} ago, {}, and does not come", name,
                    seconds(heard.age_s), phase);
    case LagReason::kBehind:
      return format("{} has not begun it: {}, without progress for {}", name, phase,
                    seconds(heard.record.idle_s + heard.age_s));
    default:
      return name;
  }
}

std::string describe_lagging(const Stall& stall, const std::vector<HeardRank>& ranks) {
  std::vector<std::string> parts;
  for (const int rank : stall.ranks) {
    if (parts.size() == kMostNamed) break;
    parts.push_back(describe_lag(stall.reason, ranks, rank));
  }
  if (stall.ranks.size() > kMostNamed) {
    parts.push_back(format("and {} more", stall.ranks.size() - kMostNamed));
  }
  return joined(parts, "; ");
}

/// "ranks 0, 1, 3 wait for it in dp: ..., call 118, for 12.0 s"
std::string describe_wait(const StalledCall& stalled, const Stall& stall) {
  const bool for_it = stalled.missing == stall.ranks && stall.reason != LagReason::kCircle;
  const std::string missing = stalled.missing.empty()   ? ""
                              : !for_it                 ? " for " + list(stalled.missing)
                              : stall.ranks.size() == 1 ? " for it"
                                                        : " for them";
  return format("{} {}{} in {}: {}, call {}, for {}", list(stalled.waiting),
                stalled.waiting.size() == 1 ? "waits" : "wait", missing, lane(stalled.call),
                work(stalled.call), stalled.call.number, seconds(stalled.age_s));
}

/// What ranks do under the number of this call, and who does it.
using Sides = std::vector<std::pair<std::string, std::vector<int>>>;

/// Few first.
Sides sides_of(const CollectiveState& call, const std::vector<HeardRank>& ranks) {
  std::map<std::string, std::vector<int>> by_work;
  for (size_t rank = 0; rank < ranks.size(); ++rank) {
    for (const CollectiveState& own : ranks[rank].record.collectives()) {
      const bool same = own.group == call.group && own.lane == call.lane;
      if (same && own.number == call.number) by_work[work(own)].push_back(static_cast<int>(rank));
    }
  }
  Sides sides(by_work.begin(), by_work.end());
  std::stable_sort(sides.begin(), sides.end(),
                   [](const auto& a, const auto& b) { return a.second.size() < b.second.size(); });
  return sides;
}

/// "different collectives in dp, call 3, for 9.0 s: rank 1 (...) in all_gather "weights", 4.00 MiB;
/// ranks 0, 2, 3 in ..."
std::string describe_mismatch(const StalledCall& stalled, const Sides& sides,
                              const std::vector<HeardRank>& ranks) {
  std::vector<std::string> parts;
  for (const auto& [what, side] : sides) {
    parts.push_back(format("{} in {}", side.size() == 1 ? who(ranks, side[0]) : list(side), what));
  }
  return format("different collectives in {}, call {}, for {}: {}", lane(stalled.call),
                stalled.call.number, seconds(stalled.age_s), joined(parts, "; "));
}

std::string describe_calls(const Stall& stall, const std::vector<HeardRank>& ranks) {
  std::vector<std::string> parts;
  for (const StalledCall& call : stall.calls) {
    if (parts.size() == kMostNamed) {
      parts.emplace_back("...");
      break;
    }
    const Sides sides = sides_of(call.call, ranks);
    parts.push_back(sides.size() > 1 ? describe_mismatch(call, sides, ranks)
                                     : describe_wait(call, stall));
  }
  return joined(parts, "; ");
}

std::string describe_cause(const Stall& stall, const std::vector<HeardRank>& ranks) {
  switch (stall.reason) {
    case LagReason::kMismatch:
      return "";  // its calls tell
    case LagReason::kCircle:
      return "ranks wait for one another: one left a collective out, or took another order; ";
    case LagReason::kTransport:
      return "no rank is missing, and yet a collective does not end: its messages do not arrive; ";
    default:
      return describe_lagging(stall, ranks) + "; ";
  }
}

}  // namespace

std::string to_text(const Stall& stall, const std::vector<HeardRank>& ranks) {
  return describe_cause(stall, ranks) + describe_calls(stall, ranks);
}

}  // namespace lckv::comm
