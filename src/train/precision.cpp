#include "lckv/train/precision.h"

#include "lckv/base/process.h"
#include "lckv/kernels/cpu_threads.h"

namespace lckv::train {

DType resolve_precision(config::Precision precision) {
  switch (precision) {
    case config::Precision::kAuto:
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

int use_threads(int64_t threads) {
  const int count = threads > 0 ? static_cast<int>(threads) : usable_cores();
  ops::set_cpu_threads(count);
  return count;
}

}  // namespace lckv::train
