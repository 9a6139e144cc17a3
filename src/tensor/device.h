#pragma once

#include <cstdint>
#include <string>

namespace lckv {

enum class DeviceKind : uint8_t { kCpu, kCuda };

/// Where memory lives and kernels run. `index` counts devices on the node; 0 for the CPU.
struct Device {
  DeviceKind kind = DeviceKind::kCpu;
  int index = 0;
  bool operator==(const Device&) const = default;
};

inline std::string name(Device device) {
  return device.kind == DeviceKind::kCpu ? "cpu" : "cuda:" + std::to_string(device.index);
}

}  // namespace lckv
