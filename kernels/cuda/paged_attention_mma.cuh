#pragma once

#include "lckv/kernels/cuda/attention_mma.cuh"
#include "lckv/kernels/cuda/paged_attention.cuh"

/// What the kernels of paged_mma are made of: ranges of keys, sums over them and how two sums
/// become one.
namespace lckv::ops::cuda {

__device__ __forceinline__ void cp_async_commit() {
  asm volatile("cp.async.commit_group;\n" ::: "memory");
}
/// Waits for this thread's groups of copies but the kLeft latest.
template <int kLeft>
__device__ __forceinline__ void cp_async_wait_but() {
  asm volatile("cp.async.wait_group %0;\n" ::"n"(kLeft) : "memory");
}

/// Keys begin .. end-1.
struct KeyRange {
  int begin, end;

  __device__ bool empty() const { return begin >= end; }
  __device__ bool holds(int j) const { return begin <= j && j < end; }
  __device__ KeyRange within(int first, int last) const {
    return {max(begin, first), min(end, last)};
  }
};

/// What the rows of a block see of one part, sinks or recent keys. Row r is query r / group of the
/// run and head r % group; there are at most 32.
struct RowRanges {
  KeyRange own;    // of row `lane`
  KeyRange any;    // from the first key that a row sees to the last
  KeyRange every;  // seen by all rows

  __device__ RowRanges(KeyRange of_lane, bool is_row) {
    constexpr int kMost = 0x7FFFFFFF;
    constexpr uint32_t kAll = 0xFFFFFFFFu;
    const bool sees = is_row && !of_lane.empty();
    own = sees ? of_lane : KeyRange{0, 0};
    any = {__reduce_min_sync(kAll, sees ? own.begin : kMost), __reduce_max_sync(kAll, own.end)};
    every = {__reduce_max_sync(kAll, own.begin), __reduce_min_sync(kAll, is_row ? own.end : kMost)};
  }
};

/// Four columns of a row's sum of values over some keys, the sum of their weights, and the score
/// that the weights are relative to, in log2.
struct WeightedSum {
  float largest = -kInfinity, weights = 0.0f;
  float4 values = {0.0f, 0.0f, 0.0f, 0.0f};

  /// Which multiplications are fused is said here, so that every kernel gets the same bits. Adding
  /// a sum without keys, and adding to one, changes nothing.
  __device__ __forceinline__ void add(const WeightedSum& other) {
    const float before = largest;
    largest = fmaxf(before, other.largest);
    const float shift = largest == -kInfinity ? 0.0f : largest;
    const float keep = exp2_approximate(before - shift);
    const float gain = exp2_approximate(other.largest - shift);
    const auto sum = [&](float a, float b) { return fmaf(keep, a, __fmul_rn(gain, b)); };
    weights = sum(weights, other.weights);
    values = {sum(values.x, other.values.x), sum(values.y, other.values.y),
              sum(values.z, other.values.z), sum(values.w, other.values.w)};
  }
  /// The softmax's result in bf16; 0 without keys.
  __device__ __forceinline__ uint2 result() const {
    const float factor = weights == 0.0f ? 0.0f : 1.0f / weights;
    return {pack_bf16(values.x * factor, values.y * factor),
            pack_bf16(values.z * factor, values.w * factor)};
  }
};

/// The same for the rows of a warp, as mma leaves them: row [m][half] is 16 m + 8 half + g.
template <int kM, int kWidth>
struct WarpSums {
  float largest[kM][2];
  float weights[kM][2];  // of this lane's columns only
  float values[kM][kWidth / 8][4];

  __device__ __forceinline__ WarpSums() {
    set_zero(values);
#pragma unroll
    for (int row = 0; row < 2 * kM; ++row) {
      largest[row / 2][row % 2] = -kInfinity;
      weights[row / 2][row % 2] = 0.0f;
    }
  }

  /// Scores become weights relative to the largest score so far, and so do the sums.
  template <int kN8>
  __device__ __forceinline__ void weigh(float (&s)[kM][kN8][4], float scale_log2) {
#pragma unroll
    for (int m = 0; m < kM; ++m) {
#pragma unroll
      for (int half = 0; half < 2; ++half) {
        const float before = largest[m][half];
        const float now = fmaxf(before, scale_log2 * row_max(s[m], half));
        largest[m][half] = now;
        // Nothing seen yet: all weights must be 0, not 2^(-inf + inf).
        const float shift = now == -kInfinity ? 0.0f : now;
        const float keep = exp2_approximate(before - shift);
        float total = __fmul_rn(weights[m][half], keep);
#pragma unroll
        for (int n = 0; n < kN8; ++n) {
#pragma unroll
          for (int j = 2 * half; j < 2 * half + 2; ++j) {
            s[m][n][j] = exp2_approximate(fmaf(s[m][n][j], scale_log2, -shift));
            total += s[m][n][j];
          }
        }
        weights[m][half] = total;
#pragma unroll
        for (int n = 0; n < kWidth / 8; ++n) {
          values[m][n][2 * half] *= keep;
          values[m][n][2 * half + 1] *= keep;
        }
      }
    }
  }

  /// Combines the four lanes that share a row.
  template <class F>
  __device__ __forceinline__ static float over_row(float x, const F& combine) {
    x = combine(x, __shfl_xor_sync(0xFFFFFFFFu, x, 1));
    return combine(x, __shfl_xor_sync(0xFFFFFFFFu, x, 2));
  }

 private:
  template <int kN8>
  __device__ __forceinline__ static float row_max(const float (&s)[kN8][4], int half) {
    float most = -kInfinity;
#pragma unroll
    for (int n = 0; n < kN8; ++n) {
      most = fmaxf(most, fmaxf(s[n][2 * half], s[n][2 * half + 1]));
    }
    return over_row(most, [](float a, float b) { return fmaxf(a, b); });
  }
};

/// Scores of keys first .. that a row does not see become -inf.
template <int kM, int kN8>
__device__ __forceinline__ void hide_unseen(float (&s)[kM][kN8][4], const KeyRange& own,
                                            int first) {
  const int lane = static_cast<int>(threadIdx.x) % 32;
#pragma unroll
  for (int m = 0; m < kM; ++m) {
#pragma unroll
    for (int half = 0; half < 2; ++half) {
      const int row = 16 * m + 8 * half + lane / 4, column = first + lane % 4 * 2;
      const int begin = __shfl_sync(0xFFFFFFFFu, own.begin, row) - column;
      const int end = __shfl_sync(0xFFFFFFFFu, own.end, row) - column;
#pragma unroll
      for (int n = 0; n < kN8; ++n) {
#pragma unroll
        for (int j = 0; j < 2; ++j) {
          const int key = 8 * n + j;
          if (key < begin || key >= end) s[m][n][2 * half + j] = -kInfinity;
        }
      }
    }
  }
}

/// Keys and values of one sequence and head.
struct PagedHead {
  const __nv_bfloat16 *k, *v;
  const int32_t* pages;
  int64_t page_stride, token_stride;
  int page_tokens;

  __device__ PagedHead(const PagedCall<__nv_bfloat16>& call, int sequence, int kv_head)
      : k(call.k.data + kv_head * call.k.head_stride),
        v(call.v.data + kv_head * call.v.head_stride),
        pages(call.page_table + sequence * call.table_row),
        page_stride(call.k.page_stride),
        token_stride(call.k.token_stride),
        page_tokens(call.page_tokens) {}

  /// Elements before key j, 0 for keys that are not to be read.
  __device__ __forceinline__ int64_t offset(int j, const KeyRange& range) const {
    if (!range.holds(j)) return 0;
    const auto page = static_cast<uint32_t>(j) / static_cast<uint32_t>(page_tokens);
    const int token = j - static_cast<int>(page) * page_tokens;
    return pages[page] * page_stride + token * token_stride;
  }
};

}  // namespace lckv::ops::cuda
