#include "lckv/comm/nccl_event.h"

#include "lckv/base/error.h"
#include "lckv/base/text.h"

namespace lckv::comm {

namespace {

void check(cudaError_t status, const char* function) {
  if (status == cudaSuccess) return;
  throw CudaError(format("{}: {}", function, cudaGetErrorString(status)));
}

}  // namespace

NcclEvent::NcclEvent(EventTime time) {
  const unsigned flags = time == EventTime::kTaken ? cudaEventDefault : cudaEventDisableTiming;
  cudaEvent_t made = nullptr;
  check(cudaEventCreateWithFlags(&made, flags), "cudaEventCreateWithFlags");
  native_ = {made, [](cudaEvent_t event) { (void)cudaEventDestroy(event); }};
}

void NcclEvent::record(cudaStream_t stream) const {
  check(cudaEventRecord(native_.get(), stream), "cudaEventRecord");
}

void NcclEvent::hold(cudaStream_t stream) const {
  check(cudaStreamWaitEvent(stream, native_.get(), 0), "cudaStreamWaitEvent");
}

bool NcclEvent::reached() const { return cudaEventQuery(native_.get()) != cudaErrorNotReady; }

void NcclEvent::synchronize() const noexcept { (void)cudaEventSynchronize(native_.get()); }

double NcclEvent::seconds(const NcclEvent& begin, const NcclEvent& end) noexcept {
  float ms = 0;
  const cudaError_t asked = cudaEventElapsedTime(&ms, begin.native_.get(), end.native_.get());
  return asked == cudaSuccess ? static_cast<double>(ms) / 1e3 : 0;
}

}  // namespace lckv::comm
