#include "lckv/kernels/cuda/attention_views.cuh"
#include "lckv/kernels/cuda/cudnn_attention_rows.h"
#include "lckv/kernels/cuda/vectors.cuh"

namespace lckv::ops::cuda {
namespace {

constexpr int kThreads = 256;
constexpr int kChunk = 8;  // bf16 that 16 bytes hold

__device__ int64_t item_of_thread() { return int64_t{blockIdx.x} * kThreads + threadIdx.x; }

__global__ __launch_bounds__(kThreads) void write_lse_kernel(HeadStatistics<float> lse,
                                                             const float* inner, int heads,
                                                             int64_t tokens, int64_t items) {
  const int64_t item = item_of_thread();
  if (item >= items) return;
  const RowColumn at = row_column(item, tokens);
  const auto b = static_cast<int>(at.row / heads), h = static_cast<int>(at.row % heads);
  lse.at(b, h, static_cast<int>(at.column)) =
      at.column == 0 ? -INFINITY : inner[at.row * (tokens - 1) + at.column - 1];
}

__global__ __launch_bounds__(kThreads) void read_lse_kernel(float* inner,
                                                            HeadStatistics<const float> lse,
                                                            int heads, int64_t inner_tokens,
                                                            int64_t items) {
  const int64_t item = item_of_thread();
  if (item >= items) return;
  const RowColumn at = row_column(item, inner_tokens);
  const auto b = static_cast<int>(at.row / heads), h = static_cast<int>(at.row % heads);
  inner[item] = lse.at(b, h, static_cast<int>(at.column) + 1);
}

__global__ __launch_bounds__(kThreads) void clear_kernel(HeadRows<__nv_bfloat16> rows, int heads,
                                                         int64_t chunks, int64_t items) {
  const int64_t item = item_of_thread();
  if (item >= items) return;
  const RowColumn at = row_column(item, chunks);
  const auto b = static_cast<int>(at.row / heads), h = static_cast<int>(at.row % heads);
  store_pack(rows.head(b, h) + at.column * kChunk, Pack<__nv_bfloat16>{});
}

struct KeyGradients {
  HeadRows<float> to[2];             // dk, dv
  const __nv_bfloat16* of_heads[2];  // [B, inner tokens, Hkv * group, D]
  int kv_heads, group, width;
  int64_t tokens, inner_tokens;
  int64_t items;  // chunks of one of the two
};

/// One chunk of a key's or value's gradient.
template <bool kAdds>
__global__ __launch_bounds__(kThreads) void sum_kernel(const __grid_constant__ KeyGradients args) {
  const int64_t item = item_of_thread();
  if (item >= args.items) return;
  const RowColumn in_row = row_column(item, args.width / kChunk);
  const RowColumn in_token = row_column(in_row.row, args.kv_heads);
  const RowColumn in_sequence = row_column(in_token.row, args.tokens);
  const int64_t d = in_row.column * kChunk;
  const auto h = static_cast<int>(in_token.column), t = static_cast<int>(in_sequence.column);
  const auto b = static_cast<int>(in_sequence.row);
  float* const to = args.to[blockIdx.y].row(b, t, h) + d;
  Vector<float, kChunk> sum{};
  if (t < args.inner_tokens) {
    const int64_t first_head =
        ((b * args.inner_tokens + t) * args.kv_heads + h) * args.group * args.width;
    const __nv_bfloat16* const from = args.of_heads[blockIdx.y] + first_head + d;
    for (int g = 0; g < args.group; ++g) {
      const Pack<__nv_bfloat16> of_head = load_pack_streaming(from + g * args.width);
#pragma unroll
      for (int i = 0; i < kChunk; ++i) sum[i] += widen(of_head[i]);
    }
  } else if (kAdds) {
    return;
  }
  if constexpr (kAdds) {
    const Vector<float, kChunk> before = load_vector<kChunk>(to);
#pragma unroll
    for (int i = 0; i < kChunk; ++i) sum[i] += before[i];
  }
  store_vector(to, sum);
}

}  // namespace

void write_strict_lse(const Stream& stream, const View& lse, const float* inner) {
  const int64_t items = lse.numel();
  write_lse_kernel<<<blocks_of(items, kThreads), kThreads, 0, native(stream)>>>(
      head_statistics<float>(lse), inner, static_cast<int>(lse.dim(1)), lse.dim(2), items);
  check_launch("attention_forward");
}

void read_strict_lse(const Stream& stream, float* inner, const ConstView& lse) {
  const int64_t inner_tokens = lse.dim(2) - 1, items = lse.dim(0) * lse.dim(1) * inner_tokens;
  read_lse_kernel<<<blocks_of(items, kThreads), kThreads, 0, native(stream)>>>(
      inner, head_statistics<float>(lse), static_cast<int>(lse.dim(1)), inner_tokens, items);
  check_launch("attention_backward");
}

void clear_first_token(const Stream& stream, const View& x) {
  const int64_t chunks = x.dim(3) / kChunk, items = x.dim(0) * x.dim(2) * chunks;
  clear_kernel<<<blocks_of(items, kThreads), kThreads, 0, native(stream)>>>(
      head_rows<__nv_bfloat16>(x), static_cast<int>(x.dim(2)), chunks, items);
  check_launch("attention");
}

void sum_key_gradients(const Stream& stream, const View& dk, const View& dv,
                       const void* dk_of_heads, const void* dv_of_heads, int64_t inner_tokens,
                       int64_t heads, GradMode mode) {
  const KeyGradients args{{head_rows<float>(dk), head_rows<float>(dv)},
                          {static_cast<const __nv_bfloat16*>(dk_of_heads),
                           static_cast<const __nv_bfloat16*>(dv_of_heads)},
                          static_cast<int>(dk.dim(2)),
                          static_cast<int>(heads / dk.dim(2)),
                          static_cast<int>(dk.dim(3)),
                          dk.dim(1),
                          inner_tokens,
                          dk.numel() / kChunk};
  const dim3 grid(blocks_of(args.items, kThreads), 2);
  const bool adds = mode == GradMode::kAccumulate;
  auto* const kernel = adds ? &sum_kernel<true> : &sum_kernel<false>;
  kernel<<<grid, kThreads, 0, native(stream)>>>(args);
  check_launch("attention_backward");
}

}  // namespace lckv::ops::cuda
