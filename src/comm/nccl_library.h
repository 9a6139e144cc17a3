#pragma once

#include <string>

#include <nccl.h>

#include "lckv/tensor/shared_library.h"

namespace lckv::comm {

/// The functions of NCCL that we call, from the library found at the first call of nccl(). Included
/// by the files that move data over NCCL alone.
struct Nccl {
  Nccl();

  SharedLibrary library;
  int version = 0;
  decltype(::ncclGetVersion)* get_version;
  decltype(::ncclGetErrorString)* error_string;
  decltype(::ncclGetLastError)* last_error;
  decltype(::ncclGetUniqueId)* get_unique_id;
  decltype(::ncclCommInitRank)* comm_init_rank;
  decltype(::ncclCommDestroy)* comm_destroy;
  decltype(::ncclCommAbort)* comm_abort;
  decltype(::ncclCommGetAsyncError)* comm_get_async_error;
  decltype(::ncclGroupStart)* group_start;
  decltype(::ncclGroupEnd)* group_end;
  decltype(::ncclSend)* send;
  decltype(::ncclRecv)* recv;
  decltype(::ncclAllGather)* all_gather;
  decltype(::ncclBroadcast)* broadcast;

  /// "2.28.9"
  std::string version_text() const;
  /// "unhandled system error: <what NCCL last said>"
  std::string text(ncclResult_t status, ncclComm_t comm) const;
  /// Throws CommError "<function>: <text>".
  void check(ncclResult_t status, const char* function, ncclComm_t comm = nullptr) const;
};

/// Throws CudaError when the library is not installed or too old.
///
/// What the environment does not say otherwise is set for it at the first call: communicators
/// launch in the order of the program (two that share a device could wait for each other), and the
/// switches of NVLink do not add, whose order is not the same in every run.
const Nccl& nccl();

}  // namespace lckv::comm
