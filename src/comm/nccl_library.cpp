#include "lckv/comm/nccl_library.h"

#include <cstdlib>

#include "lckv/base/error.h"
#include "lckv/base/text.h"

namespace lckv::comm {

namespace {

// Launches in the order of the program.
constexpr int kOldest = NCCL_VERSION(2, 26, 2);

void set_unless_set(const char* name, const char* value) { setenv(name, value, /*overwrite=*/0); }

}  // namespace

#define LCKV_NCCL(name) library.function<decltype(::name)>(#name)

Nccl::Nccl()
    : library({"libnccl.so.2", "libnccl.so"}),
      get_version(LCKV_NCCL(ncclGetVersion)),
      error_string(LCKV_NCCL(ncclGetErrorString)),
      last_error(LCKV_NCCL(ncclGetLastError)),
      get_unique_id(LCKV_NCCL(ncclGetUniqueId)),
      comm_init_rank(LCKV_NCCL(ncclCommInitRank)),
      comm_destroy(LCKV_NCCL(ncclCommDestroy)),
      comm_abort(LCKV_NCCL(ncclCommAbort)),
      comm_get_async_error(LCKV_NCCL(ncclCommGetAsyncError)),
      group_start(LCKV_NCCL(ncclGroupStart)),
      group_end(LCKV_NCCL(ncclGroupEnd)),
      send(LCKV_NCCL(ncclSend)),
      recv(LCKV_NCCL(ncclRecv)),
      all_gather(LCKV_NCCL(ncclAllGather)),
      broadcast(LCKV_NCCL(ncclBroadcast)) {
  check(get_version(&version), "ncclGetVersion");
  if (version < kOldest) {
    throw CudaError(
        format("{} is NCCL {}, expected 2.26.2 or newer", library.name(), version_text()));
  }
  set_unless_set("NCCL_LAUNCH_ORDER_IMPLICIT", "1");
  set_unless_set("NCCL_NVLS_ENABLE", "0");
}

#undef LCKV_NCCL

std::string Nccl::version_text() const {
  return format("{}.{}.{}", version / 10000, version / 100 % 100, version % 100);
}

std::string Nccl::text(ncclResult_t status, ncclComm_t comm) const {
  return format("{}: {}", error_string(status), last_error(comm));
}

void Nccl::check(ncclResult_t status, const char* function, ncclComm_t comm) const {
  if (status == ncclSuccess) return;
  throw CommError(format("{}: {}", function, text(status, comm)));
}

const Nccl& nccl() {
  static const auto* const loaded = new Nccl;
  return *loaded;
}

}  // namespace lckv::comm
