#include "lckv/doctor/nodes_verdict.h"

#include <algorithm>
#include <cmath>
#include <functional>

#include "lckv/base/text.h"
#include "lckv/doctor/rate_text.h"

namespace lckv::doctor {

namespace {

using Rate = std::function<double(const RankFacts&)>;
using Faults = std::vector<std::string>;

std::string name_of(const RankFacts& f) { return format("rank {} ({})", f.rank, f.host); }
/// Of a machine: two may have one host name.
std::string node_of(const RankFacts& f) { return format("{} (rank {})", f.host, f.node_rank); }

/// The lowest rank of every machine.
std::vector<RankFacts> first_ranks(const NodesFacts& facts) {
  std::vector<RankFacts> firsts;
  for (const RankFacts& f : facts.ranks) {
    if (f.rank == f.node_rank) firsts.push_back(f);
  }
  return firsts;
}

double median(const std::vector<RankFacts>& ranks, const Rate& rate) {
  std::vector<double> rates;
  rates.reserve(ranks.size());
  for (const RankFacts& f : ranks) rates.push_back(rate(f));
  std::sort(rates.begin(), rates.end());
  return rates[rates.size() / 2];
}

void judge_rate(Faults& faults, const std::vector<RankFacts>& ranks, const std::string& what,
                double least_frac, std::string (*text)(double), const Rate& rate) {
  if (ranks.empty()) return;
  const double typical = median(ranks, rate);
  for (const RankFacts& f : ranks) {
    if (rate(f) >= least_frac * typical) continue;
    faults.push_back(format("{}: {} {} is {:.0f} % of the median {}, limit {:.0f} %", name_of(f),
                            what, text(rate(f)), 100 * rate(f) / typical, text(typical),
                            100 * least_frac));
  }
}

bool some_have_gpus(const NodesFacts& facts) {
  return std::any_of(facts.ranks.begin(), facts.ranks.end(),
                     [](const RankFacts& f) { return f.has_gpu; });
}

/// Those whose rates can be compared: of the kind of device that ranks are to have, and measured.
std::vector<RankFacts> comparable(const NodesFacts& facts) {
  const bool with_gpu = some_have_gpus(facts);
  std::vector<RankFacts> ranks;
  for (const RankFacts& f : facts.ranks) {
    if (f.has_gpu == with_gpu && f.problem.empty()) ranks.push_back(f);
  }
  return ranks;
}

void judge_devices(Faults& faults, const NodesFacts& facts) {
  const bool some_have = some_have_gpus(facts);
  for (const RankFacts& f : facts.ranks) {
    if (!f.problem.empty()) {
      faults.push_back(format("{}: {}: {}", name_of(f), f.device, f.problem));
    } else if (some_have && !f.has_gpu) {
      faults.push_back(format("{}: sees no GPU, other ranks do", name_of(f)));
    }
  }
}

/// The clock in the middle, of an even number the earlier one's.
const RankFacts& middle_clock(std::vector<RankFacts>& by_clock) {
  std::stable_sort(by_clock.begin(), by_clock.end(), [](const RankFacts& a, const RankFacts& b) {
    return a.clock.offset_s < b.clock.offset_s;
  });
  return by_clock[(by_clock.size() - 1) / 2];
}

void judge_clocks(Faults& faults, const NodesFacts& facts, double most_skew_s) {
  std::vector<RankFacts> by_clock = facts.ranks;
  const RankFacts middle = middle_clock(by_clock);
  for (const RankFacts& f : facts.ranks) {
    const double skew_s = f.clock.offset_s - middle.clock.offset_s;
    if (std::abs(skew_s) <= most_skew_s) continue;
    faults.push_back(format("{}: clock is {:.6f} s {} that of {}, +- {:.6f} s, limit {:g} s",
                            name_of(f), std::abs(skew_s), skew_s > 0 ? "ahead of" : "behind",
                            name_of(middle), f.clock.error_s + middle.clock.error_s, most_skew_s));
  }
}

void judge_folder(Faults& faults, const RankFacts& f, const NodesFacts& facts, int64_t need_bytes) {
  const NodeDisk& disk = f.disk;
  if (!disk.facts.problem.empty()) {
    faults.push_back(format("{}: {}", node_of(f), disk.facts.problem));
    return;
  }
  if (disk.facts.free_bytes < need_bytes) {
    faults.push_back(format("{}: {} free at {}, limit {}", node_of(f),
                            human_bytes(double(disk.facts.free_bytes)), facts.folder,
                            human_bytes(double(need_bytes))));
  }
  if (!disk.rates.problem.empty()) {
    faults.push_back(format("{}: {}", node_of(f), disk.rates.problem));
  } else if (!disk.rates.locks) {
    faults.push_back(
        format("{}: cannot lock {}: lckv train refuses to start there", node_of(f), facts.folder));
  }
}

void judge_sharing(Faults& faults, const NodesFacts& facts) {
  for (const RankFacts& f : facts.ranks) {
    if (f.disk.sees_rank_0 || !f.disk.facts.problem.empty()) continue;
    faults.push_back(format("{}: does not see what rank 0 ({}) wrote in {}: it is not shared",
                            name_of(f), facts.ranks[0].host, facts.folder));
  }
}

/// Nodes of one rank measure nothing within.
std::vector<RankFacts> with_several_ranks(const std::vector<RankFacts>& firsts) {
  std::vector<RankFacts> several;
  for (const RankFacts& f : firsts) {
    if (f.node_bus_bytes_per_s > 0) several.push_back(f);
  }
  return several;
}

}  // namespace

std::vector<std::string> judge_nodes(const NodesFacts& facts, const NodeLimits& limits) {
  Faults faults;
  judge_devices(faults, facts);
  const std::vector<RankFacts> ranks = comparable(facts), nodes = first_ranks(facts);
  judge_rate(faults, ranks, "matmul", limits.least_rate_frac, flops_text,
             [](const RankFacts& f) { return f.rates.matmul_flops_per_s; });
  judge_rate(faults, ranks, "memory", limits.least_rate_frac, bytes_text,
             [](const RankFacts& f) { return f.rates.memory_bytes_per_s; });
  judge_rate(faults, with_several_ranks(nodes), "all_reduce within the node",
             limits.least_rate_frac, bytes_text,
             [](const RankFacts& f) { return f.node_bus_bytes_per_s; });
  judge_clocks(faults, facts, limits.most_skew_s);
  if (facts.folder.empty()) return faults;
  for (const RankFacts& f : nodes) judge_folder(faults, f, facts, limits.need_bytes);
  judge_sharing(faults, facts);
  return faults;
}

}  // namespace lckv::doctor
