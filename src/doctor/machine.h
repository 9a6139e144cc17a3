#pragma once

#include <cstdint>
#include <filesystem>
#include <string>
#include <vector>

#include "lckv/doctor/finding.h"

namespace lckv::doctor {

struct MachineSettings {
  std::filesystem::path folder = ".";  // whose disk is looked at
  int64_t need_bytes = 0;              // that must be free there; 0: not said
  bool measures = true;
  double budget_s = 6;  // of all measurements together
};

/// Everything about this machine that training depends on, by one process. Uses the threads that
/// the kernels have.
std::vector<Finding> examine_machine(const MachineSettings& settings);

}  // namespace lckv::doctor
