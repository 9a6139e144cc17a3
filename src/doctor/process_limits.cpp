#include "lckv/doctor/process_limits.h"

#include <filesystem>

#include <sys/resource.h>

#include "lckv/base/process.h"
#include "lckv/base/text.h"

namespace lckv::doctor {

namespace {

/// The soft limit, which is the one that holds.
template <class Resource>
int64_t limit_of(Resource resource) {
  rlimit limit{};
  if (getrlimit(resource, &limit) != 0 || limit.rlim_cur == RLIM_INFINITY) return kUnlimited;
  return static_cast<int64_t>(limit.rlim_cur);
}

bool is_below(int64_t limit, int64_t wanted) { return limit != kUnlimited && limit < wanted; }

std::string count_text(int64_t limit) {
  return limit == kUnlimited ? "unlimited" : std::to_string(limit);
}
std::string limit_text(int64_t limit) {
  return limit == kUnlimited ? "unlimited" : human_bytes(double(limit));
}

Finding warning(const std::string& name, const std::string& value, const std::string& action) {
  return warn("limits", name, value, action);
}

}  // namespace

ProcessLimits read_process_limits() {
  std::error_code error;
  ProcessLimits limits;
  limits.open_files = limit_of(RLIMIT_NOFILE);
  limits.processes = limit_of(RLIMIT_NPROC);
  limits.file_bytes = limit_of(RLIMIT_FSIZE);
  limits.address_space_bytes = limit_of(RLIMIT_AS);
  limits.locked_bytes = limit_of(RLIMIT_MEMLOCK);
  limits.has_infiniband = std::filesystem::directory_iterator("/sys/class/infiniband", error) !=
                          std::filesystem::directory_iterator();
  limits.usable_cores = usable_cores();
  return limits;
}

std::vector<Finding> judge_process_limits(const ProcessLimits& l) {
  constexpr int64_t kFiles = 256, kLocked = int64_t{1} << 30;
  const int64_t processes = 64 + 8 * int64_t{l.usable_cores};  // the ranks' threads, and Open MPI's
  std::vector<Finding> findings;
  if (is_below(l.open_files, kFiles)) {
    findings.push_back(warning("open files", count_text(l.open_files), "ulimit -n 4096"));
  }
  if (is_below(l.processes, processes)) {
    findings.push_back(
        warning("processes", count_text(l.processes), format("ulimit -u {}", processes)));
  }
  if (l.file_bytes != kUnlimited) {
    findings.push_back(warning("size of a file",
                               limit_text(l.file_bytes) + ": larger saved states fail",
                               "ulimit -f unlimited"));
  }
  if (l.address_space_bytes != kUnlimited) {
    findings.push_back(warning("address space",
                               limit_text(l.address_space_bytes) + ": CUDA reserves more",
                               "ulimit -v unlimited"));
  }
  if (l.has_infiniband && is_below(l.locked_bytes, kLocked)) {
    findings.push_back(
        warning("locked memory", limit_text(l.locked_bytes) + ": InfiniBand needs it",
                "ulimit -l unlimited (limits.conf; Slurm: PropagateResourceLimits)"));
  }
  if (!findings.empty()) return findings;
  return {
      ok("limits", "ulimit",
         format("{} open files, {} processes", count_text(l.open_files), count_text(l.processes)))};
}

}  // namespace lckv::doctor
