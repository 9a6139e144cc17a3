#pragma once

#include <cstdint>

#include "lckv/doctor/text_files.h"

namespace lckv::doctor {

/// What a container or a job scheduler allows this process, of control groups of version 1 or 2.
struct CgroupLimits {
  int64_t memory_bytes = 0;  // 0: no limit
  int64_t used_bytes = 0;    // of that limit, without what the system can drop at once
  double cores = 0;          // CPU time per second; 0: no limit
};

/// The narrowest of the groups that this process is in and those above them.
CgroupLimits read_cgroup_limits(const ReadFile& read);

}  // namespace lckv::doctor
