#pragma once

#include "lckv/kernels/cuda/cudnn_attention_shape.h"
#include "lckv/kernels/cuda/cudnn_graph.h"

namespace lckv::ops::cuda {

/// The tensors that an execution of attention_graph names.
enum class AttentionTensor : int64_t {
  kQ = 1,
  kK,
  kV,
  kOut,
  kLse,
  // of backward alone
  kDout,
  kDq,
  kDk,     // [B, T, Hq, D] packed: of each query head
  kDv,     // the same
  kDelta,  // [B, Hq, T] F32 packed, temporary
  kDqSum,  // [B, Hq, T, D] F32 packed, temporary; not of deterministic passes
};

/// The operations in which cuDNN 9.19 recognizes its fused attention; still open.
///
/// Forward    s = q k^T scale, masked      lse = max + log sum exp(s - max)
///            out = (exp(s - max) / sum) v
/// Backward   delta = sum dout out         p = exp(s - lse)        dv = p^T dout
///            ds = (dout v^T - delta) p scale      dk = ds^T q      dq = ds k
///
/// dk and dv stay apart per query head: cuDNN would sum those that share a key/value head in BF16,
/// the op sums and accumulates in F32.
CudnnGraph attention_graph(const CudnnAttentionShape& shape);

}  // namespace lckv::ops::cuda
