#pragma once

#include "lckv/config/train.h"
#include "lckv/tensor/dtype.h"

namespace lckv::train {

/// dtype of weights and activations. `auto`: bf16 where the hardware multiplies it natively, else
/// fp32.
DType resolve_precision(config::Precision precision);

/// Threads of the CPU kernels: train.threads, or every core this process may use. Sets them.
int use_threads(int64_t threads);

}  // namespace lckv::train
