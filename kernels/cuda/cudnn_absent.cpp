#if !__has_include(<cudnn_backend.h>)

#include "lckv/base/error.h"
#include "lckv/kernels/attention_backend.h"
#include "lckv/kernels/cuda/cudnn_attention.h"
#include "lckv/kernels/cuda/cudnn_attention_shape.h"

namespace lckv::ops {

namespace {

[[noreturn]] void refuse() {
  throw CudaError(
      "built without cuDNN: its headers were not found; attention runs its own kernels");
}

}  // namespace

void set_attention_backend(AttentionBackend backend, bool) {
  if (backend == AttentionBackend::kCudnn) refuse();
}

namespace cuda {

std::vector<CudnnProposal> cudnn_proposals(const CudnnAttentionShape&, const std::string&) {
  refuse();
}

std::optional<int64_t> cudnn_attention_forward_scratch_bytes(const Stream&, const View&,
                                                             const View&, const ConstView&,
                                                             const ConstView&, const ConstView&,
                                                             const AttentionMask&) {
  return std::nullopt;
}

std::optional<int64_t> cudnn_attention_backward_scratch_bytes(
    const Stream&, const View&, const View&, const View&, const ConstView&, const ConstView&,
    const ConstView&, const ConstView&, const ConstView&, const ConstView&, const AttentionMask&) {
  return std::nullopt;
}

bool cudnn_attention_forward(const Stream&, const View&, const View&, const ConstView&,
                             const ConstView&, const ConstView&, const AttentionMask&) {
  return false;
}

bool cudnn_attention_backward(const Stream&, const View&, const View&, const View&,
                              const ConstView&, const ConstView&, const ConstView&,
                              const ConstView&, const ConstView&, const ConstView&,
                              const AttentionMask&, GradMode) {
  return false;
}

}  // namespace cuda

}  // namespace lckv::ops

#endif
