#include "lckv/doctor/cgroup.h"

#include <algorithm>
#include <cstdlib>
#include <vector>

#include "lckv/base/text.h"

namespace lckv::doctor {

namespace {

/// The whole number at the beginning; -1 where there is none ("max").
int64_t number_in(const std::string& text) {
  char* end = nullptr;
  const long long value = std::strtoll(text.c_str(), &end, 10);
  return end == text.c_str() ? -1 : value;
}

/// "/a/b" gives "/a/b", "/a", "": a limit of any of them holds. In a container the names are often
/// those of the world outside, and only the last is there.
std::vector<std::string> with_those_above(std::string path) {
  std::vector<std::string> paths;
  while (path.starts_with('/') && path.size() > 1) {
    paths.push_back(path);
    path.erase(path.find_last_of('/'));
  }
  paths.emplace_back("");
  return paths;
}

/// The path of a controller in /proc/self/cgroup, "id:controllers:path"; "" of version 2.
std::string path_of(const std::string& groups, const std::string& controller) {
  for (const std::string& line : split(groups, '\n')) {
    const std::vector<std::string> parts = split(line, ':');
    if (parts.size() < 3) continue;
    const std::vector<std::string> names = split(parts[1], ',');
    if (std::find(names.begin(), names.end(), controller) != names.end()) return parts[2];
  }
  return "";
}

/// No limit is written as a number near the largest there is.
constexpr int64_t kNoLimit = int64_t{1} << 60;

void take_memory(CgroupLimits& limits, int64_t limit, int64_t used, const std::string& droppable) {
  if (limit < 0 || limit >= kNoLimit) return;
  if (limits.memory_bytes != 0 && limit >= limits.memory_bytes) return;
  limits.memory_bytes = limit;
  limits.used_bytes =
      std::max<int64_t>(0, std::max<int64_t>(0, used) - std::max<int64_t>(0, number_in(droppable)));
}

void take_cores(CgroupLimits& limits, int64_t quota, int64_t period) {
  if (quota <= 0 || period <= 0) return;
  const double cores = double(quota) / double(period);
  limits.cores = limits.cores == 0 ? cores : std::min(limits.cores, cores);
}

void read_version_2(CgroupLimits& limits, const ReadFile& read, const std::string& path) {
  for (const std::string& folder : with_those_above(path)) {
    const std::string at = "/sys/fs/cgroup" + folder;
    take_memory(limits, number_in(read(at + "/memory.max")),
                number_in(read(at + "/memory.current")),
                field_of(read(at + "/memory.stat"), "inactive_file", ' '));
    const std::vector<std::string> cpu = split(read(at + "/cpu.max"), ' ');
    if (cpu.size() == 2) take_cores(limits, number_in(cpu[0]), number_in(cpu[1]));
  }
}

void read_version_1(CgroupLimits& limits, const ReadFile& read, const std::string& groups) {
  for (const std::string& folder : with_those_above(path_of(groups, "memory"))) {
    const std::string at = "/sys/fs/cgroup/memory" + folder;
    take_memory(limits, number_in(read(at + "/memory.limit_in_bytes")),
                number_in(read(at + "/memory.usage_in_bytes")),
                field_of(read(at + "/memory.stat"), "total_inactive_file", ' '));
  }
  for (const std::string& folder : with_those_above(path_of(groups, "cpu"))) {
    const std::string at = "/sys/fs/cgroup/cpu" + folder;
    take_cores(limits, number_in(read(at + "/cpu.cfs_quota_us")),
               number_in(read(at + "/cpu.cfs_period_us")));
  }
}

}  // namespace

CgroupLimits read_cgroup_limits(const ReadFile& read) {
  const std::string groups = read("/proc/self/cgroup");
  CgroupLimits limits;
  read_version_2(limits, read, path_of(groups, ""));
  read_version_1(limits, read, groups);
  return limits;
}

}  // namespace lckv::doctor
