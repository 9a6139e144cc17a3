#pragma once

#include "lckv/comm/world.h"
#include "lckv/config/run.h"
#include "lckv/tensor/device.h"
#include "lckv/tensor/dtype.h"

namespace lckv::train {

/// dtype of weights and activations. `auto`: bf16 where the device multiplies it natively, else
/// fp32.
DType resolve_precision(config::Precision precision, Device device = {});

/// Threads of the CPU kernels of this rank: `threads`, or its share of the machine's cores (0).
/// Sets them, binds the rank to its cores when it shares a machine. Collective. Throws ConfigError
/// when more threads are asked for than there are cores, unless `oversubscribe`.
int use_threads(comm::World& world, int64_t threads, bool oversubscribe);
int use_threads(comm::World& world, const config::RunConfig& config);

}  // namespace lckv::train
