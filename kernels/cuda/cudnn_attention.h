#pragma once

#include <optional>

#include "lckv/kernels/ops/attention.h"

/// Attention by cuDNN; see attention_backend.h for when. Both are called with arguments that the op
/// has checked, and return false where cuDNN is not to run them: nothing has been queued then.
namespace lckv::ops::cuda {

bool cudnn_attention_forward(const Stream& stream, const View& out, const View& lse,
                             const ConstView& q, const ConstView& k, const ConstView& v,
                             const AttentionMask& mask);

/// With dk and dv: cuDNN has no gradient of the queries alone.
bool cudnn_attention_backward(const Stream& stream, const View& dq, const View& dk, const View& dv,
                              const ConstView& dout, const ConstView& out, const ConstView& lse,
                              const ConstView& q, const ConstView& k, const ConstView& v,
                              const AttentionMask& mask, GradMode mode);

/// Scratch memory that the same will take of the stream; none where they return false. Views need
/// no memory.
std::optional<int64_t> cudnn_attention_forward_scratch_bytes(const Stream& stream, const View& out,
                                                             const View& lse, const ConstView& q,
                                                             const ConstView& k, const ConstView& v,
                                                             const AttentionMask& mask);
std::optional<int64_t> cudnn_attention_backward_scratch_bytes(
    const Stream& stream, const View& dq, const View& dk, const View& dv, const ConstView& dout,
    const ConstView& out, const ConstView& lse, const ConstView& q, const ConstView& k,
    const ConstView& v, const AttentionMask& mask);

}  // namespace lckv::ops::cuda
