#pragma once

#include <cstdint>
#include <string>

#include "lckv/comm/world.h"
#include "lckv/config/run.h"
#include "lckv/tensor/device.h"

namespace lckv::train {

/// The device of this rank: `auto` is a GPU where there is one, else the CPU; ranks of a machine
/// take its GPUs in turn. Throws CudaError, saying why, when `cuda` is asked for and there is none.
Device resolve_device(const comm::World& world, config::DeviceChoice choice);
/// Collective: the same, once it is of one kind on all ranks. Throws on all of them.
Device join_device(comm::World& world, config::DeviceChoice choice);

/// Memory in use: resident memory of this process at its peak; on a GPU all that is taken from it,
/// by whomever.
int64_t used_bytes(Device device);

/// "cpu avx512", "cuda on NVIDIA H200 (driver for CUDA 13.0, runtime 13.0)": whose bits results
/// are.
std::string backend_name(Device device);

}  // namespace lckv::train
