#pragma once

#include <cstdint>

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

}  // namespace lckv::ops
