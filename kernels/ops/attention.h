#pragma once

#include "lckv/kernels/ops/grad_mode.h"
#include "lckv/tensor/stream.h"
#include "lckv/tensor/view.h"

namespace lckv::ops {

/// Which keys a query sees. A query of sequence b with index i stands at position p = query_offset
/// + i; it sees key j of the same sequence when all of these hold:
///
///   j <= p                     (j <= p - 1 when strict)
///   j >= p - window_tokens     when window_tokens > 0: W+1 keys with the diagonal, W keys when
///                              strict
///   j >= first_key[b, i]       when first_key is given: the start of the query's document
///   j <  key_lengths[b]        when key_lengths is given: sequences of several lengths in one
///                              batch
///
/// spec/lckv.md section 4. A query that sees no key gets output 0, log-sum-exp -inf and gradient 0.
struct AttentionMask {
  bool strict = false;
  int64_t window_tokens = 0;  // 0: no window
  int64_t query_offset = 0;   // >= 0; Tk - Tq aligns the last query with the last key
  ConstView first_key;        // [B, Tq] I32 or empty; never decreasing along Tq
  ConstView key_lengths;      // [B] I32 in [0, Tk] or empty
};

/// Softmax attention with grouped queries, blocked with online softmax: O(T) memory.
///
///   s[i,j] = (q[i] . k[j]) / sqrt(D) over the visible j      out[i] = sum_j softmax(s[i])[j] v[j]
///         lse[i] = log sum_j exp s[i,j]
///
/// Dao et al. 2022, arXiv:2205.14135. Query head h reads key/value head h / (Hq / Hkv).
///
///   out   [B, Tq, Hq, D]   out   BF16, F32 or F64
///   lse   [B, Hq, Tq]      out   F32 (F64 if q is); -inf where no key is visible; keep it for
///                                attention_backward
///   q     [B, Tq, Hq, D]         dtype of out
///   k, v  [B, Tk, Hkv, D]        dtype of out; Tk may be 0 (all outputs 0)
///
/// D contiguous, other axes may be strided. Scores, softmax and sums in F32 (F64 if q is).
void attention_forward(Stream& stream, View out, View lse, ConstView q, ConstView k, ConstView v,
                       const AttentionMask& mask);

/// Gradient of attention_forward, recomputing the probabilities from q, k and lse.
///
///   delta[i] = dout[i] . out[i]      p = exp(s - lse)      ds = p * (dout . v - delta)
///   dq = ds k / sqrt(D)     dk (+)= ds^T q / sqrt(D)     dv (+)= p^T dout
///
///   dq      [B, Tq, Hq, D]   out   dtype of q
///   dk, dv  [B, Tk, Hkv, D]  out   F32 (F64 if q is); both empty when the keys are constants: then
///                                  only dq is computed
///   dout    [B, Tq, Hq, D]         dtype of q
///   out, lse, q, k, v, mask        as in forward
///   mode                           of dk and dv: several readers add into one K,V, each query head
///                                  and block in a fixed order
///
/// Keys that no query sees get 0 under kOverwrite.
void attention_backward(Stream& stream, View dq, View dk, View dv, ConstView dout, ConstView out,
                        ConstView lse, ConstView q, ConstView k, ConstView v,
                        const AttentionMask& mask, GradMode mode);

}  // namespace lckv::ops
