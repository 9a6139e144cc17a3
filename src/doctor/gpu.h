#pragma once

#include <string>
#include <vector>

#include "lckv/doctor/finding.h"
#include "lckv/doctor/text_files.h"
#include "lckv/tensor/cuda_runtime.h"

namespace lckv::doctor {

/// A library that is loaded when a GPU needs it: its version, or why it cannot be had.
struct LoadedLibrary {
  std::string version;  // "": it cannot
  std::string why_not;
};

struct GpuFacts {
  std::string toolkit;           // CUDA that the kernels were built by; "": built without
  bool machine_has_one = false;  // NVIDIA's, on the bus or of its driver
  std::string driver;            // "580.159.04"; "" where there is none
  std::vector<cuda::DeviceFacts> devices;
  std::string why_none;                 // no device that lckv can use
  std::string problem;                  // a device is there, but fails
  LoadedLibrary cublaslt, cudnn, nccl;  // looked for when there is a device
};

/// "580.159.04" of /proc/driver/nvidia/version; "" where it has none.
std::string driver_version_in(const std::string& text);

GpuFacts read_gpus(const ReadFile& read);
std::vector<Finding> judge_gpus(const GpuFacts& gpu);

}  // namespace lckv::doctor
