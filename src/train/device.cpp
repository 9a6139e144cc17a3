#include "lckv/train/device.h"

#include "lckv/base/process.h"
#include "lckv/base/text.h"
#include "lckv/comm/agreement.h"
#include "lckv/kernels/table.h"
#include "lckv/tensor/cuda_runtime.h"

namespace lckv::train {

Device resolve_device(const comm::World& world, config::DeviceChoice choice) {
  if (choice == config::DeviceChoice::kCpu) return {};
  const int devices = cuda::device_count();
  if (devices > 0) return {DeviceKind::kCuda, world.local_rank() % devices};
  if (choice == config::DeviceChoice::kAuto) return {};
  throw CudaError("device cuda: " + cuda::why_no_device() + "; device cpu works everywhere");
}

Device join_device(comm::World& world, config::DeviceChoice choice) {
  Device device;
  comm::together(world, [&] { device = resolve_device(world, choice); });
  comm::require_equal_texts(world, "device",
                            device.kind == DeviceKind::kCpu ? "device cpu" : "device cuda");
  return device;
}

int64_t used_bytes(Device device) {
  if (device.kind == DeviceKind::kCpu) return peak_resident_bytes();
  const cuda::DeviceFacts facts = cuda::device_facts(device.index);
  return facts.memory_bytes - facts.free_bytes;
}

std::string backend_name(Device device) {
  const std::string kernels = ops::kernels(device).name;
  if (device.kind == DeviceKind::kCpu) return kernels;
  const cuda::DeviceFacts facts = cuda::device_facts(device.index);
  const auto version = [](int v) { return format("{}.{}", v / 1000, v % 1000 / 10); };
  return format("{} on {} (driver for CUDA {}, runtime {})", kernels, facts.name,
                version(facts.driver), version(facts.runtime));
}

}  // namespace lckv::train
