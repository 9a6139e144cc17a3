#pragma once

#include <cstdint>
#include <vector>

#include "lckv/doctor/finding.h"

namespace lckv::doctor {

/// The limits of this process (ulimit) that stop training; kUnlimited where there is none.
struct ProcessLimits {
  int64_t open_files = 0;
  int64_t processes = 0;  // and threads, of this user
  int64_t file_bytes = 0;
  int64_t address_space_bytes = 0;
  int64_t locked_bytes = 0;
  bool has_infiniband = false;  // which needs locked memory
  int usable_cores = 0;
};
inline constexpr int64_t kUnlimited = -1;

ProcessLimits read_process_limits();
std::vector<Finding> judge_process_limits(const ProcessLimits& limits);

}  // namespace lckv::doctor
