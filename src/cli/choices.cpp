#include "lckv/cli/choices.h"

namespace lckv::cli {

config::DeviceChoice device_named(const std::string& name) {
  if (name == "cpu") return config::DeviceChoice::kCpu;
  if (name == "cuda") return config::DeviceChoice::kCuda;
  return config::DeviceChoice::kAuto;
}

config::Precision precision_named(const std::string& name) {
  if (name == "bf16") return config::Precision::kBf16;
  if (name == "fp32") return config::Precision::kFp32;
  if (name == "fp64") return config::Precision::kFp64;
  return config::Precision::kAuto;
}

}  // namespace lckv::cli
