#pragma once

#include <cstdint>
#include <vector>

#include "lckv/doctor/cgroup.h"
#include "lckv/doctor/finding.h"

namespace lckv::doctor {

struct MemoryFacts {
  int64_t total_bytes = 0;  // of the machine
  int64_t free_bytes = 0;   // what programs can have without swapping
  int64_t limit_bytes = 0;  // of the control group; 0: none
  int64_t left_bytes = 0;   // of that limit
  int64_t swapped_bytes = 0;
  /// What this process can have.
  int64_t available_bytes() const;
};

MemoryFacts read_memory(const ReadFile& read, const CgroupLimits& limits);
std::vector<Finding> judge_memory(const MemoryFacts& memory);

}  // namespace lckv::doctor
