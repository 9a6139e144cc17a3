#include "lckv/tensor/transfer.h"

#include <cstring>

#include "lckv/base/text.h"
#include "lckv/tensor/cuda_runtime.h"

namespace lckv {

void transfer(Stream& stream, View to, ConstView from) {
  LCKV_CHECK(to.dtype() == from.dtype() && to.numel() == from.numel() && to.is_contiguous() &&
                 from.is_contiguous(),
             format("transfer of {} to {}", from.describe(), to.describe()));
  if (to.numel() == 0) return;
  if (stream.device().kind == DeviceKind::kCpu) {
    LCKV_CHECK(to.device() == stream.device() && from.device() == stream.device(),
               format("transfer of {} to {} on cpu", from.describe(), to.describe()));
    std::memmove(to.raw(), from.raw(), static_cast<size_t>(to.bytes()));
  } else {
    cuda::copy(stream.native(), to.raw(), from.raw(), to.bytes());
  }
}

Buffer to_host(Stream& stream, ConstView from) {
  Buffer host(from.dtype(), from.shape());
  transfer(stream, host.view(), from);
  stream.synchronize();
  return host;
}

OnHost::OnHost(ConstView from) : view_(from) {
  if (from.device().kind == DeviceKind::kCpu || from.numel() == 0) return;
  cuda::synchronize_device(from.device().index);
  Stream stream(from.device());
  copy_ = to_host(stream, from);
}

void set_from_host(View to, ConstView from) {
  Stream stream(to.device());
  if (to.device().kind == DeviceKind::kCuda) cuda::synchronize_device(to.device().index);
  transfer(stream, to, from);
  stream.synchronize();
}

}  // namespace lckv
