#include <cub/device/device_radix_sort.cuh>

#include "lckv/kernels/cuda/kernels.h"
#include "lckv/kernels/cuda/scratch.h"
#include "lckv/kernels/cuda/vectors.cuh"

namespace lckv::ops::cuda {
namespace {

constexpr const char* kOp = "embedding_backward";
constexpr int kThreads = 256;

/// The positions n of every token's row of the table, one row after the other and in each in the
/// order of n. Made anew by every call, in scratch memory.
struct Occurrences {
  uint32_t *rows, *sorted_rows;           // [N]; V_tp where the token is in another part
  int32_t *positions, *sorted_positions;  // [N]
  int32_t* begins;                        // [V_tp + 1]: of row v begins[v] .. begins[v + 1]
  void* sorting;
  size_t sorting_bytes;
};

__global__ __launch_bounds__(kThreads) void rows_kernel(uint32_t* rows, int32_t* positions,
                                                        const int32_t* tokens, int64_t N,
                                                        int64_t V_tp, int64_t first_token) {
  const int64_t n = int64_t{blockIdx.x} * kThreads + threadIdx.x;
  if (n >= N) return;
  const int64_t row = tokens[n] - first_token;
  rows[n] = static_cast<uint32_t>(row >= 0 && row < V_tp ? row : V_tp);
  positions[n] = static_cast<int32_t>(n);
}

/// begins[v] = the number of sorted rows below v, by bisection.
__global__ __launch_bounds__(kThreads) void begins_kernel(int32_t* begins,
                                                          const uint32_t* sorted_rows, int32_t N,
                                                          int64_t V_tp) {
  const int64_t v = int64_t{blockIdx.x} * kThreads + threadIdx.x;
  if (v > V_tp) return;
  int32_t low = 0;
  int32_t high = N;
  while (low < high) {
    const int32_t middle = low + (high - low) / 2;
    if (sorted_rows[middle] < static_cast<uint32_t>(v)) {
      low = middle + 1;
    } else {
      high = middle;
    }
  }
  begins[v] = low;
}

void check(cudaError_t status) {
  if (status == cudaSuccess) return;
  throw CudaError(std::string(kOp) + ": sorting the tokens: " + cudaGetErrorString(status));
}

/// Bits that the rows 0 .. V_tp have.
int bits_of(int64_t V_tp) {
  int bits = 1;
  while ((V_tp >> bits) != 0) ++bits;
  return bits;
}

/// Stable: equal rows keep the order of n. With null memory asks how much it needs.
void sort(const Stream& stream, Occurrences& o, int64_t N, int64_t V_tp) {
  check(cub::DeviceRadixSort::SortPairs(o.sorting, o.sorting_bytes, o.rows, o.sorted_rows,
                                        o.positions, o.sorted_positions, static_cast<int>(N), 0,
                                        bits_of(V_tp), native(stream)));
}

Occurrences allocate(const Stream& stream, int64_t N, int64_t V_tp) {
  Occurrences o{};
  sort(stream, o, N, V_tp);
  const auto array_bytes = [](int64_t elems) { return ceil_div<int64_t>(4 * elems, 256) * 256; };
  const int64_t per_token = array_bytes(N);
  const int64_t per_row = array_bytes(V_tp + 1);
  auto* memory = static_cast<std::byte*>(
      scratch(stream, ScratchUse::kSorting,
              4 * per_token + per_row + static_cast<int64_t>(o.sorting_bytes)));
  const auto take = [&](int64_t bytes) {
    std::byte* const taken = memory;
    memory += bytes;
    return taken;
  };
  o.rows = reinterpret_cast<uint32_t*>(take(per_token));
  o.sorted_rows = reinterpret_cast<uint32_t*>(take(per_token));
  o.positions = reinterpret_cast<int32_t*>(take(per_token));
  o.sorted_positions = reinterpret_cast<int32_t*>(take(per_token));
  o.begins = reinterpret_cast<int32_t*>(take(per_row));
  o.sorting = memory;
  return o;
}

Occurrences occurrences_of(const Stream& stream, const ConstView& tokens, int64_t V_tp,
                           int64_t first_token) {
  const int64_t N = tokens.dim(0);
  Occurrences o = allocate(stream, N, V_tp);
  rows_kernel<<<blocks_of(N, kThreads), kThreads, 0, native(stream)>>>(
      o.rows, o.positions, device_data<int32_t>(tokens), N, V_tp, first_token);
  check_launch(kOp);
  sort(stream, o, N, V_tp);
  begins_kernel<<<blocks_of(V_tp + 1, kThreads), kThreads, 0, native(stream)>>>(
      o.begins, o.sorted_rows, static_cast<int32_t>(N), V_tp);
  check_launch(kOp);
  return o;
}

constexpr int kRowThreads = 128;  // of a block: columns, by vectors; those of a row may be more
constexpr int kBlockRows = 2;     // of the table, in the threads' second axis
constexpr int kAhead = 8;         // rows of dy that a thread has under way at once

template <class A>
struct TableGradient {
  A* dw;  // [V_tp, C]
  const A* dy;
  const int32_t *begins, *positions;
  int64_t V_tp, C;
  GradMode mode;
};

/// sum += the rows of dy at positions[begin .. end), one after the other. A thread's wait for each
/// of them would make the time of a frequent token: the reads are kAhead at a time.
template <int kCount, class A>
__device__ inline void add_rows(Vector<A, kCount>& sum, const A* dy, const int32_t* positions,
                                int begin, int end, int64_t C) {
  for (int at = begin; at < end; at += kAhead) {
    Vector<A, kCount> rows[kAhead];
#pragma unroll
    for (int k = 0; k < kAhead; ++k) {
      if (at + k < end) rows[k] = load_vector<kCount>(dy + positions[at + k] * C);
    }
#pragma unroll
    for (int k = 0; k < kAhead; ++k) {
      if (at + k >= end) continue;
#pragma unroll
      for (int i = 0; i < kCount; ++i) sum[i] += rows[k][i];
    }
  }
}

/// Every element of dw that changes is written once.
template <int kCount, class A>
__global__ __launch_bounds__(kRowThreads* kBlockRows, 3) void backward_kernel(TableGradient<A> g) {
  const int64_t v = int64_t{blockIdx.x} * kBlockRows + threadIdx.y;
  const int64_t c = (int64_t{blockIdx.y} * kRowThreads + threadIdx.x) * kCount;
  if (v >= g.V_tp || c >= g.C) return;
  const int begin = g.begins[v];
  const int end = g.begins[v + 1];
  const bool adds = g.mode == GradMode::kAccumulate;
  if (adds && begin == end) return;
  A* const to = g.dw + v * g.C + c;
  Vector<A, kCount> sum{};
  if (adds) sum = load_vector<kCount>(to);
  add_rows<kCount>(sum, g.dy + c, g.positions, begin, end, g.C);
  store_vector(to, sum);
}

template <class A>
void launch_backward(cudaStream_t stream, const TableGradient<A>& g) {
  constexpr int kWide = kWidth<A>;
  const bool wide = fits_vectors<kWide>(g.dw, g.C) && fits_vectors<kWide>(g.dy);
  with_width<kWide>(wide, [&](auto width) {
    constexpr int kCount = decltype(width)::value;
    const dim3 blocks(blocks_of(g.V_tp, kBlockRows), blocks_of(g.C, kRowThreads * kCount));
    backward_kernel<kCount><<<blocks, dim3(kRowThreads, kBlockRows), 0, stream>>>(g);
    check_launch(kOp);
  });
}

}  // namespace

void embedding_backward(Stream& stream, View dw, ConstView dy, ConstView tokens, GradMode mode,
                        int64_t first_token) {
  if (dw.numel() == 0) return;
  if (dy.dim(0) == 0) {
    if (mode == GradMode::kOverwrite) fill_zero(stream, dw);
    return;
  }
  const Occurrences o = occurrences_of(stream, tokens, dw.dim(0), first_token);
  with_device_type(dy.dtype(), [&](auto tag) {
    using A = Acc<typename decltype(tag)::type>;
    launch_backward(native(stream),
                    TableGradient<A>{device_data<A>(dw), device_data<A>(dy), o.begins,
                                     o.sorted_positions, dw.dim(0), dw.dim(1), mode});
  });
}

}  // namespace lckv::ops::cuda
