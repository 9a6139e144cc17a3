#include "lckv/base/error.h"
#include "lckv/comm/device_times.h"
#include "lckv/comm/nccl_communicator.h"

namespace lckv::comm {

namespace {

[[noreturn]] void refuse() {
  throw CudaError(
      "built without CUDA: device cuda is not available in this binary; run with device cpu");
}

}  // namespace

std::unique_ptr<Communicator> make_nccl_communicator(World&, const std::string&,
                                                     const GroupIdentity&, MpiComm, Device) {
  refuse();
}

std::string nccl_version() { refuse(); }

std::string bus_id(Device) { refuse(); }

void fail_together(const std::vector<Communicator*>&) {}

std::map<std::string, DeviceTimes> take_device_times(Communicator&) { return {}; }

}  // namespace lckv::comm
