#pragma once

#include <cstdint>

namespace lckv::config {

// of views in GPU memory; auto: nccl where every rank has a GPU of its own, else mpi
enum class DeviceComm { kAuto, kNccl, kMpi };

/// YAML section `parallel:`: how the ranks of mpirun share the work. Ranks = data * tensor.
struct ParallelConfig {
  int64_t tensor = 1;  // ranks that share one copy of the model
  int64_t data = 0;    // copies of the model; 0: auto, all ranks that are left
  // sequence parallelism: the tensor-parallel ranks divide the rows of the norm regions
  bool sequence = false;
  DeviceComm device_comm = DeviceComm::kAuto;
  bool oversubscribe = false;  // more threads than cores are wanted
};

}  // namespace lckv::config
