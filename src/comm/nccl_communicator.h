#pragma once

#include <memory>
#include <string>
#include <vector>

#include "lckv/comm/mpi_communicator.h"
#include "lckv/comm/world.h"

namespace lckv::comm {

/// Collective over `world`, whose ranks pass their parts of one split: the group of the ranks of
/// `comm`, whose views in the memory of `device` travel over NCCL on a stream of the group's own,
/// and views in host memory over MPI. A group of one runs without either.
///
/// Collectives on device views never wait on the host. What a rank records into a graph runs on the
/// device alone: the log of collectives does not see it, and all ranks replay it together.
///
/// Once NCCL has failed every call of the group throws CommError, on either kind of view, and so do
/// calls of groups that fail together with it; others go on. Throws AgreedError when NCCL cannot be
/// loaded or fails on any rank.
std::unique_ptr<Communicator> make_nccl_communicator(World& world, const std::string& name,
                                                     const GroupIdentity& identity, MpiComm comm,
                                                     Device device);

/// From now on NCCL's failure in one of these groups is that of all: what one of them leaves behind
/// is not to be summed, used or saved through another. Those without NCCL are passed over.
void fail_together(const std::vector<Communicator*>& groups);

/// "2.28.9". Throws CudaError where it is not installed or too old, or in a build without CUDA.
std::string nccl_version();

/// "0000:65:00.0": tells the device from all others of this machine.
std::string bus_id(Device device);

}  // namespace lckv::comm
