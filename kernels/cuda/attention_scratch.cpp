#include "lckv/kernels/attention_backend.h"
#include "lckv/kernels/cuda/cudnn_attention.h"
#include "lckv/kernels/scratch_bytes.h"

namespace lckv::ops {

int64_t attention_forward_scratch_bytes(const Stream& stream, const View& out, const View& lse,
                                        const ConstView& q, const ConstView& k, const ConstView& v,
                                        const AttentionMask& mask) {
  return cuda::cudnn_attention_forward_scratch_bytes(stream, out, lse, q, k, v, mask).value_or(0);
}

int64_t attention_backward_scratch_bytes(const Stream& stream, const View& dq, const View& dk,
                                         const View& dv, const ConstView& dout,
                                         const ConstView& out, const ConstView& lse,
                                         const ConstView& q, const ConstView& k, const ConstView& v,
                                         const AttentionMask& mask) {
  const std::optional<int64_t> cudnn = cuda::cudnn_attention_backward_scratch_bytes(
      stream, dq, dk, dv, dout, out, lse, q, k, v, mask);
  if (cudnn) return *cudnn;
  return own_attention_backward_scratch_bytes(q.dim(0), q.dim(1), q.dim(2), lse.dtype());
}

}  // namespace lckv::ops
