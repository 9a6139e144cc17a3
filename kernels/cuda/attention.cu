#include <algorithm>
#include <cmath>

#include "lckv/kernels/cuda/attention_paths.h"
#include "lckv/kernels/cuda/cudnn_attention.h"
#include "lckv/kernels/cuda/kernels.h"
#include "lckv/kernels/cuda/scratch.h"

namespace lckv::ops::cuda {

AttentionSizes::AttentionSizes(const ConstView& q, const ConstView& k)
    : batch(static_cast<int>(q.dim(0))),
      queries(static_cast<int>(q.dim(1))),
      keys(static_cast<int>(k.dim(1))),
      heads(static_cast<int>(q.dim(2))),
      kv_heads(static_cast<int>(k.dim(2))),
      width(static_cast<int>(q.dim(3))),
      group(heads / kv_heads),
      scale(1.0 / std::sqrt(static_cast<double>(width))) {}

namespace {

// Sums of two positions stay below 2^31, and so do tokens times heads.
constexpr int64_t kFarAway = int64_t{1} << 30;
constexpr int64_t kMaxTokens = int64_t{1} << 21;

int bounded(int64_t position) {
  return static_cast<int>(std::clamp(position, -kFarAway, kFarAway));
}

}  // namespace

MaskBounds::MaskBounds(const AttentionMask& mask, int64_t query_count, int64_t key_count)
    : queries(static_cast<int>(query_count)),
      keys(static_cast<int>(key_count)),
      causal_end(bounded(mask.query_offset + (mask.strict ? 0 : 1))),
      window_start(mask.window_tokens > 0 ? bounded(mask.query_offset - mask.window_tokens)
                                          : static_cast<int>(-kFarAway)),
      first_key(nullptr),
      first_key_sequence_stride(0),
      first_key_token_stride(0),
      key_lengths(nullptr),
      key_length_stride(0) {
  if (mask.first_key) {
    first_key = device_data<int32_t>(mask.first_key);
    first_key_sequence_stride = mask.first_key.stride(0);
    first_key_token_stride = mask.first_key.stride(1);
  }
  if (mask.key_lengths) {
    key_lengths = device_data<int32_t>(mask.key_lengths);
    key_length_stride = mask.key_lengths.stride(0);
  }
}

namespace {

AttentionInputs inputs(const char* op, const Stream& stream, const ConstView& q, const ConstView& k,
                       const ConstView& v, const AttentionMask& mask) {
  for (const int64_t tokens : {q.dim(1), k.dim(1)}) {
    if (tokens >= kMaxTokens) {
      throw ShapeError(std::string(op) + ": " + std::to_string(tokens) +
                       " tokens per sequence; the CUDA kernels count below " +
                       std::to_string(kMaxTokens));
    }
  }
  return {stream, AttentionSizes(q, k), MaskBounds(mask, q.dim(1), k.dim(1)), q, k, v};
}

/// Whether the tensor core kernels take these views, all [B, T, heads, D] of bf16.
bool fits_mma(const AttentionInputs& in, std::initializer_list<ConstView> others) {
  const bool right_width = in.sizes.width == 64 || in.sizes.width == 128;
  if (in.q.dtype() != DType::kBF16 || !right_width) return false;
  if (in.sizes.queries == 0 || in.sizes.keys == 0) return false;
  const auto chunks = [](const ConstView& view) { return in_chunks<__nv_bfloat16>(view); };
  return chunks(in.q) && chunks(in.k) && chunks(in.v) && std::ranges::all_of(others, chunks);
}

/// Whether those take them that need sm_90a. What fits_mma() asks of views is all they ask.
bool fits_wgmma(const AttentionInputs& in) { return in.sizes.width == 64 && runs_wgmma(); }

template <class T>
void backward(const AttentionInputs& in, const View& dq, const View& dk, const View& dv,
              const ConstView& dout, const ConstView& out, const ConstView& lse, GradMode mode) {
  using A = Acc<T>;
  const AttentionSizes& size = in.sizes;
  const int padded = ceil_div(size.queries, kStatisticsPadding) * kStatisticsPadding;
  const int64_t count = int64_t{1} * size.batch * size.heads * padded;
  static_assert(sizeof(QueryStatistics<A>) == 2 * sizeof(A));
  auto* const memory = static_cast<QueryStatistics<A>*>(scratch(
      in.stream, ScratchUse::kAttention,
      own_attention_backward_scratch_bytes(size.batch, size.queries, size.heads, lse.dtype())));
  const StatisticsTable<A> table{memory, size.heads, padded};
  if (count > 0) query_statistics(in, table, dout, out, lse);
  const bool mma = dq.numel() > 0 && fits_mma(in, {dq, dout});
  const bool wgmma = mma && fits_wgmma(in);
  if constexpr (std::is_same_v<T, __nv_bfloat16>) {
    if (wgmma) {
      backward_queries_wgmma(in, table, dq, dout);
    } else if (mma) {
      backward_queries_mma(in, table, dq, dout);
    }
  }
  if (!mma && dq.numel() > 0) backward_queries_general(in, table, dq, dout);
  if (!dk || dk.numel() == 0) return;
  const bool keys_mma = mma && in_chunks<A>(dk) && in_chunks<A>(dv);
  if constexpr (std::is_same_v<T, __nv_bfloat16>) {
    if (keys_mma && wgmma) {
      backward_keys_wgmma(in, table, dk, dv, dout, mode);
    } else if (keys_mma) {
      backward_keys_mma(in, table, dk, dv, dout, mode);
    }
  }
  if (!keys_mma) backward_keys_general(in, table, dk, dv, dout, mode);
}

}  // namespace

void attention_forward(Stream& stream, View out, View lse, ConstView q, ConstView k, ConstView v,
                       const AttentionMask& mask) {
  const AttentionInputs in = inputs("attention_forward", stream, q, k, v, mask);
  if (out.numel() == 0) return;
  if (cudnn_attention_forward(stream, out, lse, q, k, v, mask)) return;
  if (!fits_mma(in, {out})) {
    forward_general(in, out, lse);
  } else if (fits_wgmma(in)) {
    forward_wgmma(in, out, lse);
  } else {
    forward_mma(in, out, lse);
  }
}

void attention_backward(Stream& stream, View dq, View dk, View dv, ConstView dout, ConstView out,
                        ConstView lse, ConstView q, ConstView k, ConstView v,
                        const AttentionMask& mask, GradMode mode) {
  const AttentionInputs in = inputs("attention_backward", stream, q, k, v, mask);
  if (cudnn_attention_backward(stream, dq, dk, dv, dout, out, lse, q, k, v, mask, mode)) return;
  with_device_type(q.dtype(), [&](auto tag) {
    backward<typename decltype(tag)::type>(in, dq, dk, dv, dout, out, lse, mode);
  });
}

}  // namespace lckv::ops::cuda
