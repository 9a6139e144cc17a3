#pragma once

#include <cstdint>

#include "lckv/kernels/ops/attention.h"

namespace lckv::ops {

enum class AttentionBackend : uint8_t { kOwn, kCudnn };

/// Which kernels CUDA devices run attention with; kOwn until this is called.
///
///   kOwn            equal bits for equal arguments, always
///   kCudnn          cuDNN's fused attention where it has one: bf16, heads of at most 128 elements
///                   and whole 16-byte chunks, as many queries as keys from position 0 on, neither
///                   documents nor lengths of keys, gradients of q, k and v together. Everything
///                   else runs kOwn, and so do shapes first met while a graph is recorded and those
///                   after the first 128.
///   deterministic   of kCudnn: backward gives equal bits for equal arguments; takes B Hq T T bf16
///                   of scratch memory more. Otherwise dq is summed in no fixed order.
///
/// A shape's first call takes about a second: cuDNN compiles. Call it while no thread runs
/// attention.
///
/// Throws CudaError when cuDNN is not installed or older than 9.15.1, whose backward reads past the
/// last key, or when built without it.
void set_attention_backend(AttentionBackend backend, bool deterministic);

/// Scratch memory of the stream, a CUDA device's, that attention_forward and attention_backward
/// will take for such arguments with the kernels chosen: what a plan of a run's memory asks before
/// anything is allocated. Views need no memory; shapes, strides and dtypes count. Compiles what
/// cuDNN has not compiled yet. Throws CudaError when built without CUDA.
int64_t attention_forward_scratch_bytes(const Stream& stream, const View& out, const View& lse,
                                        const ConstView& q, const ConstView& k, const ConstView& v,
                                        const AttentionMask& mask);
int64_t attention_backward_scratch_bytes(const Stream& stream, const View& dq, const View& dk,
                                         const View& dv, const ConstView& dout,
                                         const ConstView& out, const ConstView& lse,
                                         const ConstView& q, const ConstView& k, const ConstView& v,
                                         const AttentionMask& mask);

}  // namespace lckv::ops
