#pragma once

#include <string>
#include <vector>

#include "lckv/doctor/cgroup.h"
#include "lckv/doctor/finding.h"

namespace lckv::doctor {

struct CpuFacts {
  std::string model;                  // as the system names it; virtual machines make names up
  int usable = 0;                     // cores this process may run on
  int online = 0;                     // of the machine
  int threads_per_core = 1;           // of two, both count as cores above
  double quota_cores = 0;             // CgroupLimits::cores
  std::vector<std::string> features;  // those of kFeatures that it has
  std::string kernels;                // "cpu avx512": the set that lckv takes
  bool multiplies_bf16 = false;       // natively, in oneDNN's matmul
};

/// Names in /proc/cpuinfo of what makes a difference to training.
inline constexpr const char* kFeatures[] = {"avx2", "avx512f", "avx512_bf16", "amx_bf16"};

/// The entries of kFeatures among the "flags" of /proc/cpuinfo.
std::vector<std::string> features_in(const std::string& cpuinfo);

CpuFacts read_cpu(const ReadFile& read, const CgroupLimits& limits);
std::vector<Finding> judge_cpu(const CpuFacts& cpu);

}  // namespace lckv::doctor
