#pragma once

#include <memory>
#include <string>

#include "lckv/comm/mpi_communicator.h"

namespace lckv::comm {

/// Collective over `comm`: the group of its ranks, whose views in the memory of `device`, which is
/// no other rank's, travel over NCCL on a stream of the group's own, and views in host memory over
/// MPI. A group of one runs without either.
///
/// Collectives on device views never wait on the host. What a rank records into a graph runs on the
/// device alone: the log of collectives does not see it, and all ranks replay it together.
///
/// Once NCCL has failed every call of the group throws CommError, on either kind of view. Throws
/// CudaError where NCCL is not installed, or in a build without CUDA.
std::unique_ptr<Communicator> make_nccl_communicator(const std::string& name,
                                                     const GroupIdentity& identity, MpiComm comm,
                                                     Device device);

/// "0000:65:00.0": tells the device from all others of this machine.
std::string bus_id(Device device);

}  // namespace lckv::comm
