#include "lckv/comm/cores.h"

#include <algorithm>
#include <cmath>
#include <map>

#include "lckv/base/process.h"
#include "lckv/base/text.h"
#include "lckv/comm/agreement.h"

namespace lckv::comm {

namespace {

using Cores = std::vector<int>;

/// The ranks that may use each core.
std::map<int, int> count_users(const std::vector<Cores>& masks) {
  std::map<int, int> users;
  for (const Cores& mask : masks) {
    for (const int core : mask) ++users[core];
  }
  return users;
}

/// A block of the mask for each of the ranks that have exactly this mask and share it with nobody
/// else. Cores that do not go round are left to the system, so that no rank waits for a slower one.
CoreShare share_of_group(const Cores& mask, size_t place, size_t ranks) {
  const size_t each = mask.size() / ranks;
  if (each == 0) return {.threads = 1, .cores = {}};
  if (ranks == 1) return {.threads = static_cast<int>(each), .cores = {}};
  const auto begin = mask.begin() + static_cast<ptrdiff_t>(place * each);
  return {.threads = static_cast<int>(each),
          .cores = Cores(begin, begin + static_cast<ptrdiff_t>(each))};
}

CoreShare automatic_share(const std::vector<Cores>& masks, size_t rank) {
  const Cores& mask = masks[rank];
  const std::map<int, int> users = count_users(masks);
  const auto alike = std::count(masks.begin(), masks.end(), mask);
  const bool alike_alone =
      std::all_of(mask.begin(), mask.end(), [&](int core) { return users.at(core) == alike; });
  if (alike_alone) {
    const auto place =
        std::count(masks.begin(), masks.begin() + static_cast<ptrdiff_t>(rank), mask);
    return share_of_group(mask, static_cast<size_t>(place), static_cast<size_t>(alike));
  }
  // Masks overlap in part: nobody can tell which core is whose, so claim what is surely there.
  double share = 0;
  for (const int core : mask) share += 1.0 / users.at(core);
  constexpr double kRounding = 1e-9;  // three thirds are one core
  return {.threads = std::max(1, static_cast<int>(std::floor(share + kRounding))), .cores = {}};
}

std::string counted(size_t number, const char* noun) {
  return format("{} {}{}", number, noun, number == 1 ? "" : "s");
}

[[noreturn]] void refuse(const std::vector<Cores>& masks, size_t rank, int requested,
                         int share_threads) {
  const Cores& mask = masks[rank];
  const std::map<int, int> users = count_users(masks);
  const bool shared =
      std::any_of(mask.begin(), mask.end(), [&](int core) { return users.at(core) > 1; });
  if (!shared) {
    throw ConfigError(format(
        "train.threads is {}, but this process may use {}; if a launcher bound it, start with "
        "mpirun --bind-to none, or --map-by slot:PE={} (srun --cpus-per-task={}); or set "
        "parallel.oversubscribe: true",
        requested, counted(mask.size(), "core"), requested, requested));
  }
  const size_t fit = users.size() / static_cast<size_t>(requested);
  throw ConfigError(
      format("train.threads is {}, but {} on this machine share {}: {} x {} = {} threads; set "
             "train.threads to {}{}, or set parallel.oversubscribe: true",
             requested, counted(masks.size(), "rank"), counted(users.size(), "core"), masks.size(),
             requested, masks.size() * static_cast<size_t>(requested), share_threads,
             fit > 0 ? format(", or start {} on it", counted(fit, "rank")) : ""));
}

/// "0 1 5"
std::string to_text(const Cores& cores) {
  std::string text;
  for (const int core : cores) text += (text.empty() ? "" : " ") + std::to_string(core);
  return text;
}

Cores to_cores(const std::string& text) {
  Cores cores;
  for (const std::string& core : split(text, ' ')) cores.push_back(std::stoi(core));
  return cores;
}

std::vector<Cores> gather_masks(World& world) {
  const auto machine = world.split_by_machine("machine");
  std::vector<Cores> masks;
  for (const std::string& text : gather_texts(*machine, to_text(usable_core_numbers()))) {
    masks.push_back(to_cores(text));
  }
  return masks;
}

}  // namespace

CoreShare share_cores(const std::vector<std::vector<int>>& masks, int rank, int requested,
                      bool oversubscribe) {
  const auto here = static_cast<size_t>(rank);
  LCKV_CHECK(here < masks.size() && !masks[here].empty(),
             format("rank {} of {} masks", rank, masks.size()));
  CoreShare share = automatic_share(masks, here);
  if (requested <= 0) return share;
  if (requested > share.threads) {
    if (!oversubscribe) refuse(masks, here, requested, share.threads);
    share.cores.clear();
  }
  share.threads = requested;
  return share;
}

int take_cores(World& world, int requested, bool oversubscribe) {
  if (world.size() == 1) {
    return share_cores({usable_core_numbers()}, 0, requested, oversubscribe).threads;
  }
  const std::vector<Cores> masks = gather_masks(world);
  CoreShare share;
  together(world, [&] {
    share = share_cores(masks, world.local_rank(), requested, oversubscribe);
    if (!share.cores.empty()) bind_to_cores(share.cores);
  });
  return share.threads;
}

}  // namespace lckv::comm
