#include "lckv/comm/device_path.h"

#include <algorithm>
#include <map>
#include <vector>

#include "lckv/base/log.h"
#include "lckv/base/text.h"
#include "lckv/comm/agreement.h"

namespace lckv::comm {

namespace {

/// What every rank found, by rank.
struct NcclEverywhere {
  std::vector<std::string> names;     // "rank 1 (node17)"
  std::vector<std::string> problems;  // "" where there is none
  std::vector<std::string> versions, gpus;
};

NcclEverywhere look_everywhere(World& world, const std::function<NcclHere()>& look) {
  NcclHere here;
  std::string problem;
  try {
    here = look();
  } catch (const std::exception& error) {
    problem = error.what();
    if (problem.empty()) problem = "no reason given";
  }
  Communicator& all = world.all();
  return {.names = gather_texts(all, world.describe_rank()),
          .problems = gather_texts(all, problem),
          .versions = gather_texts(all, here.version),
          .gpus = gather_texts(all, here.gpu)};
}

/// "rank 1 (node17): cannot load ...", a line for each rank that has a problem, or one for all of
/// them that have the same; "" where none has.
std::string problems_of(const NcclEverywhere& found) {
  const std::vector<std::string>& problems = found.problems;
  const auto is_first = [&](const std::string& other) { return other == problems[0]; };
  if (std::all_of(problems.begin(), problems.end(), is_first)) return problems[0];
  std::string text;
  for (size_t rank = 0; rank < problems.size(); ++rank) {
    if (problems[rank].empty()) continue;
    text += format("{}{}: {}", text.empty() ? "" : "\n", found.names[rank], problems[rank]);
  }
  return text;
}

/// "NCCL 2.28.9 on rank 0 (node17), 2.27.3 on rank 1 (node18)"; "" where all have one.
std::string difference_of_versions(const NcclEverywhere& found) {
  const std::vector<std::string>& versions = found.versions;
  const auto other = std::find_if(versions.begin(), versions.end(),
                                  [&](const std::string& v) { return v != versions[0]; });
  if (other == versions.end()) return "";
  return format("NCCL {} on {}, {} on {}", versions[0], found.names[0], *other,
                found.names[static_cast<size_t>(other - versions.begin())]);
}

/// "ranks 0 and 1 share one (node17, GPU 0000:65:00.0)"; "" where nobody does.
std::string sharing_ranks(const std::vector<std::string>& gpus) {
  std::map<std::string, size_t> first;
  for (size_t rank = 0; rank < gpus.size(); ++rank) {
    const auto [known, is_new] = first.emplace(gpus[rank], rank);
    if (!is_new) return format("ranks {} and {} share one ({})", known->second, rank, gpus[rank]);
  }
  return "";
}

}  // namespace

bool takes_nccl(World& world, DevicePath path, const std::function<NcclHere()>& look) {
  if (path == DevicePath::kMpi) return false;
  const NcclEverywhere found = look_everywhere(world, look);
  std::string problem = problems_of(found);
  if (problem.empty()) problem = difference_of_versions(found);
  if (path == DevicePath::kNccl) {
    if (problem.empty()) return true;
    throw AgreedError("NCCL is asked for and not to be had: " + problem, ExitCode::kDevice);
  }
  const bool speaks = world.rank() == 0;
  constexpr auto kInstead = "collectives on GPU memory are staged through the host";
  if (!problem.empty()) {
    if (speaks) log_warning(format("no NCCL, {}: {}", kInstead, problem));
    return false;
  }
  const std::string sharing = sharing_ranks(found.gpus);
  if (!sharing.empty() && speaks) {
    log_info(format("NCCL wants a GPU for each rank, {}: {}", sharing, kInstead));
  }
  return sharing.empty();
}

}  // namespace lckv::comm
