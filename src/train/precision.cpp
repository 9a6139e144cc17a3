#include "lckv/train/precision.h"

#include "lckv/base/error.h"
#include "lckv/comm/cores.h"
#include "lckv/kernels/cpu_threads.h"

namespace lckv::train {

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
