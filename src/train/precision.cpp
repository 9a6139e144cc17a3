#include "lckv/train/precision.h"

#include "lckv/base/process.h"
#include "lckv/base/text.h"
#include "lckv/comm/agreement.h"
#include "lckv/comm/cores.h"
#include "lckv/kernels/cpu_threads.h"
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

DType resolve_precision(config::Precision precision, Device device) {
  switch (precision) {
    case config::Precision::kAuto:
      if (device.kind == DeviceKind::kCuda) return DType::kBF16;
      return ops::cpu_has_fast_bf16() ? DType::kBF16 : DType::kF32;
    case config::Precision::kBf16:
      return DType::kBF16;
    case config::Precision::kFp32:
      return DType::kF32;
    case config::Precision::kFp64:
      return DType::kF64;
  }
  throw InternalError("unknown precision");
}

int use_threads(comm::World& world, int64_t threads, bool oversubscribe) {
  const int count = comm::take_cores(world, static_cast<int>(threads), oversubscribe);
  ops::set_cpu_threads(count);
  return count;
}

int use_threads(comm::World& world, const config::RunConfig& config) {
  return use_threads(world, config.train.threads, config.parallel.oversubscribe);
}

}  // namespace lckv::train
