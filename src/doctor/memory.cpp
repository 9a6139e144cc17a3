#include "lckv/doctor/memory.h"

#include <algorithm>
#include <cstdlib>

#include "lckv/base/text.h"

namespace lckv::doctor {

namespace {

constexpr int64_t kGib = int64_t{1} << 30;
constexpr int64_t kLeast = kGib / 4;        // the smallest models
constexpr int64_t kComfortable = 2 * kGib;  // the quickstart with room

int64_t meminfo_bytes(const std::string& meminfo, const std::string& key) {
  return std::atoll(field_of(meminfo, key).c_str()) * 1024;
}

}  // namespace

int64_t MemoryFacts::available_bytes() const {
  return limit_bytes == 0 ? free_bytes : std::min(free_bytes, left_bytes);
}

MemoryFacts read_memory(const ReadFile& read, const CgroupLimits& limits) {
  const std::string meminfo = read("/proc/meminfo");
  MemoryFacts memory;
  memory.total_bytes = meminfo_bytes(meminfo, "MemTotal");
  memory.free_bytes = meminfo_bytes(meminfo, "MemAvailable");
  memory.swapped_bytes = meminfo_bytes(meminfo, "SwapTotal") - meminfo_bytes(meminfo, "SwapFree");
  // A limit beyond the machine's memory limits nothing.
  if (limits.memory_bytes < memory.total_bytes) memory.limit_bytes = limits.memory_bytes;
  memory.left_bytes = std::max<int64_t>(0, memory.limit_bytes - limits.used_bytes);
  return memory;
}

std::vector<Finding> judge_memory(const MemoryFacts& m) {
  const int64_t available = m.available_bytes();
  std::string value = format("{} available of {}", human_bytes(double(available)),
                             human_bytes(double(m.total_bytes)));
  if (m.limit_bytes > 0) {
    value += format(", limit {} (control group)", human_bytes(double(m.limit_bytes)));
  }
  const Numbers numbers = {{"available_bytes", double(available)},
                           {"total_bytes", double(m.total_bytes)},
                           {"limit_bytes", double(m.limit_bytes)}};
  const std::string action = m.limit_bytes > 0 && m.left_bytes < m.free_bytes
                                 ? "give the container or job more memory (Slurm: --mem=8G)"
                                 : "end other programs; lckv plan run.yaml tells what a run needs";
  if (available < kLeast) return {needed("memory", "RAM", value, action)};
  if (available < kComfortable) return {warn("memory", "RAM", value, action, numbers)};
  std::vector<Finding> findings = {ok("memory", "RAM", value, numbers)};
  if (m.swapped_bytes > m.total_bytes / 10) {
    findings.push_back(warn("memory", "swap",
                            format("{} swapped out", human_bytes(double(m.swapped_bytes))),
                            "end other programs: a swapping machine trains at a crawl"));
  }
  return findings;
}

}  // namespace lckv::doctor
