#pragma once

#include "lckv/kernels/ops/grad_mode.h"
#include "lckv/tensor/stream.h"
#include "lckv/tensor/view.h"

/// What the op asks for beside cuDNN's attention. Strict attention is causal attention of queries
/// 1..T-1 to keys 0..T-2: query 0, which sees no key, and key T-1, which no query sees, are left to
/// these kernels. All queue on the stream and give equal bits for equal arguments.
namespace lckv::ops::cuda {

/// lse[b, h, t] = inner[b, h, t - 1], -inf for t = 0.
///
///   lse    [B, Hq, T] F32   out
///   inner  [B, Hq, T-1] F32 packed
void write_strict_lse(const Stream& stream, const View& lse, const float* inner);
/// inner[b, h, t] = lse[b, h, t + 1].
void read_strict_lse(const Stream& stream, float* inner, const ConstView& lse);

/// x[b, 0, h, :] = 0 of [B, T, Hq, D] BF16 in chunks of 16 bytes.
void clear_first_token(const Stream& stream, const View& x);

/// Gradients of keys and values from those of each query head, [B, inner_tokens, Hq, D] BF16
/// packed. Each sums its heads in order, in F32; tokens past the inner ones get 0.
///
///   dk, dv  [B, T, Hkv, D] F32 in chunks of 16 bytes   out
void sum_key_gradients(const Stream& stream, const View& dk, const View& dv,
                       const void* dk_of_heads, const void* dv_of_heads, int64_t inner_tokens,
                       int64_t heads, GradMode mode);

}  // namespace lckv::ops::cuda
