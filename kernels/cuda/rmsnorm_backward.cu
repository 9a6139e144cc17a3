#include <algorithm>

#include "lckv/kernels/cuda/kernels.h"
#include "lckv/kernels/cuda/scratch.h"
#include "lckv/kernels/cuda/vectors.cuh"
#include "lckv/kernels/scratch_bytes.h"

namespace lckv::ops::cuda {
namespace {

template <class T>
struct NormBackward {
  Acc<T>* dx;
  Acc<T>* partial;  // [blocks, C]: each block's share of dw
  const T *dy, *x, *w;
  const Acc<T>* rstd;
  int64_t N, C;
  int64_t block_rows;  // of each block but the last
};

/// The sums of kRows rows at once, each over the block: one wait for all of them.
template <int kThreads, int kRows, class A>
__device__ inline void block_sums(A (&sums)[kRows]) {
  constexpr int kWarps = kThreads / 32;
  __shared__ A of_warps[kRows][kWarps];
#pragma unroll
  for (int r = 0; r < kRows; ++r) sums[r] = warp_sum(sums[r]);
  __syncthreads();  // those before have been read
  if (threadIdx.x % 32 == 0) {
#pragma unroll
    for (int r = 0; r < kRows; ++r) of_warps[r][threadIdx.x / 32] = sums[r];
  }
  __syncthreads();
#pragma unroll
  for (int r = 0; r < kRows; ++r) {
    sums[r] = 0;
#pragma unroll
    for (int warp = 0; warp < kWarps; ++warp) sums[r] += of_warps[r][warp];
  }
}

/// A thread has the same kVectors vectors of columns in each of the block's rows: its share of dw
/// stays in registers, and what the rows hold is read once, kRows of them at a time. Vectors are as
/// wide as fills 16 bytes of dx: were they those of a narrower dy and x, neighbouring threads would
/// write dx with gaps.
template <bool kAdd, int kThreads, int kVectors, int kRows, class T>
class RowsOfBlock {
  using A = Acc<T>;
  static constexpr int kCount = kWidth<T, A>;

 public:
  __device__ explicit RowsOfBlock(const NormBackward<T>& norm)
      : norm_(norm), vectors_(static_cast<int>(norm.C) / kCount) {
#pragma unroll
    for (int k = 0; k < kVectors; ++k) {
      if (has(k)) gain_[k] = load_vector<kCount>(norm.w + column(k));
      dgain_[k] = {};
    }
  }

  __device__ void run(int64_t begin, int64_t end) {
    for (int64_t n = begin; n < end; n += kRows) {
#pragma unroll
      for (int r = 0; r < kRows; ++r) load(n + r, end, r);
      A dots[kRows];
#pragma unroll
      for (int r = 0; r < kRows; ++r) dots[r] = add_to_gain(r);
      block_sums<kThreads>(dots);
#pragma unroll
      for (int r = 0; r < kRows; ++r) {
        if (n + r < end) put_dx(n + r, r, dots[r] * rstd_[r] * rstd_[r] / static_cast<A>(norm_.C));
      }
    }
  }

  __device__ void store_gain(A* partial) const {
#pragma unroll
    for (int k = 0; k < kVectors; ++k) {
      if (has(k)) store_vector(partial + column(k), dgain_[k]);
    }
  }

 private:
  __device__ int column(int k) const {
    return (static_cast<int>(threadIdx.x) + k * kThreads) * kCount;
  }
  __device__ bool has(int k) const {
    return static_cast<int>(threadIdx.x) + k * kThreads < vectors_;
  }

  /// Row n as row r of those under way; zeros behind the rows and the columns add nothing.
  __device__ void load(int64_t n, int64_t end, int r) {
    rstd_[r] = n < end ? norm_.rstd[n] : A{0};
#pragma unroll
    for (int k = 0; k < kVectors; ++k) {
      dy_[r][k] = {};
      x_[r][k] = {};
      if (n >= end || !has(k)) continue;
      const int64_t at = n * norm_.C + column(k);
      dy_[r][k] = load_vector<kCount>(norm_.dy + at);
      x_[r][k] = load_vector<kCount>(norm_.x + at);
      if constexpr (kAdd) dx_[r][k] = load_vector<kCount>(norm_.dx + at);
    }
  }

  /// Returns this thread's part of sum_c w dy x.
  __device__ A add_to_gain(int r) {
    A dot = 0;
#pragma unroll
    for (int k = 0; k < kVectors; ++k) {
      if (!has(k)) continue;
#pragma unroll
      for (int i = 0; i < kCount; ++i) {
        const A product = widen(dy_[r][k][i]) * widen(x_[r][k][i]);
        dgain_[k][i] += product * rstd_[r];
        dot += product * widen(gain_[k][i]);
      }
    }
    return dot;
  }

  /// dx (+)= rstd * (w dy - x * pull), pull = rstd^2 mean_c(w dy x)
  __device__ void put_dx(int64_t n, int r, A pull) {
#pragma unroll
    for (int k = 0; k < kVectors; ++k) {
      if (!has(k)) continue;
      Vector<A, kCount> values;
#pragma unroll
      for (int i = 0; i < kCount; ++i) {
        const A value =
            rstd_[r] * (widen(gain_[k][i]) * widen(dy_[r][k][i]) - widen(x_[r][k][i]) * pull);
        values[i] = kAdd ? dx_[r][k][i] + value : value;
      }
      store_vector(norm_.dx + n * norm_.C + column(k), values);
    }
  }

  const NormBackward<T>& norm_;
  const int vectors_;
  Vector<T, kCount> gain_[kVectors], dy_[kRows][kVectors], x_[kRows][kVectors];
  Vector<A, kCount> dgain_[kVectors];
  Vector<A, kCount> dx_[kAdd ? kRows : 1][kVectors];
  A rstd_[kRows];
};

template <bool kAdd, int kThreads, int kVectors, int kRows, class T>
__global__ __launch_bounds__(kThreads, 512 / kThreads) void backward_kernel(NormBackward<T> norm) {
  RowsOfBlock<kAdd, kThreads, kVectors, kRows, T> rows(norm);
  const int64_t begin = int64_t{blockIdx.x} * norm.block_rows;
  rows.run(begin, min(begin + norm.block_rows, norm.N));
  rows.store_gain(norm.partial + int64_t{blockIdx.x} * norm.C);
}

/// Rows of any length and alignment, element by element, with the share of dw in memory.
template <bool kAdd, int kThreads, class T>
__global__ __launch_bounds__(kThreads) void backward_any_kernel(NormBackward<T> norm) {
  using A = Acc<T>;
  A* const dgain = norm.partial + int64_t{blockIdx.x} * norm.C;
  for (int64_t c = threadIdx.x; c < norm.C; c += kThreads) dgain[c] = 0;
  const int64_t begin = int64_t{blockIdx.x} * norm.block_rows;
  const int64_t end = min(begin + norm.block_rows, norm.N);
  for (int64_t n = begin; n < end; ++n) {
    const T* const dy = norm.dy + n * norm.C;
    const T* const x = norm.x + n * norm.C;
    const A rstd = norm.rstd[n];
    A dot = 0;
    for (int64_t c = threadIdx.x; c < norm.C; c += kThreads) {
      const A product = widen(dy[c]) * widen(x[c]);
      dgain[c] += product * rstd;
      dot += product * widen(norm.w[c]);
    }
    const A pull = block_sum<kThreads>(dot) * rstd * rstd / static_cast<A>(norm.C);
    A* const dx = norm.dx + n * norm.C;
    for (int64_t c = threadIdx.x; c < norm.C; c += kThreads) {
      const A value = rstd * (widen(norm.w[c]) * widen(dy[c]) - widen(x[c]) * pull);
      dx[c] = kAdd ? dx[c] + value : value;
    }
  }
}

constexpr int kColumns = 32;  // of a block that adds up the shares
constexpr int kGroups = 32;   // of shares: each is summed in order, then the groups are

/// dw (+)= sum of the shares. As many threads as columns would read too little at once.
template <class A>
__global__ __launch_bounds__(kColumns* kGroups) void combine_kernel(A* dw, const A* partial,
                                                                    int64_t blocks, int64_t C,
                                                                    GradMode mode) {
  __shared__ A of_groups[kGroups][kColumns];
  const int64_t c = int64_t{blockIdx.x} * kColumns + threadIdx.x;
  A sum = 0;
  if (c < C) {
#pragma unroll 8
    for (int64_t block = threadIdx.y; block < blocks; block += kGroups) {
      sum += partial[block * C + c];
    }
  }
  of_groups[threadIdx.y][threadIdx.x] = sum;
  __syncthreads();
  if (threadIdx.y != 0 || c >= C) return;
  for (int group = 1; group < kGroups; ++group) sum += of_groups[group][threadIdx.x];
  dw[c] = mode == GradMode::kAccumulate ? dw[c] + sum : sum;
}

constexpr int64_t kMaxBlocks = kRmsnormBackwardBlocks;

/// Rows that are added to are read as well: half as many fit into the registers at once.
template <bool kAdd, int kThreads, int kVectors, int kRows, class T>
void launch_vectors(cudaStream_t stream, const NormBackward<T>& norm, unsigned blocks) {
  backward_kernel<kAdd, kThreads, kVectors, kAdd ? kRows / 2 : kRows>
      <<<blocks, kThreads, 0, stream>>>(norm);
}

template <class T>
bool fits(const NormBackward<T>& norm) {
  constexpr int kWide = kWidth<T, Acc<T>>;
  return fits_vectors<kWide>(norm.x, norm.C) && fits_vectors<kWide>(norm.dy) &&
         fits_vectors<kWide>(norm.w) && fits_vectors<kWide>(norm.dx);
}

template <bool kAdd, class T>
void launch_rows(cudaStream_t stream, const NormBackward<T>& norm, unsigned blocks) {
  const int64_t vectors = norm.C / kWidth<T, Acc<T>>;
  if (!fits(norm) || vectors > 2048) {
    backward_any_kernel<kAdd, 256><<<blocks, 256, 0, stream>>>(norm);
  } else if (vectors <= 128) {
    launch_vectors<kAdd, 128, 1, 4>(stream, norm, blocks);
  } else if (vectors <= 256) {
    launch_vectors<kAdd, 256, 1, 4>(stream, norm, blocks);
  } else if (vectors <= 512) {
    launch_vectors<kAdd, 256, 2, 4>(stream, norm, blocks);
  } else if (vectors <= 1024) {
    launch_vectors<kAdd, 256, 4, 2>(stream, norm, blocks);
  } else {
    launch_vectors<kAdd, 512, 4, 2>(stream, norm, blocks);
  }
  check_launch("rmsnorm_backward");
}

template <class T>
void launch_backward(cudaStream_t stream, const NormBackward<T>& norm, unsigned blocks,
                     GradMode dx_mode) {
  if (dx_mode == GradMode::kAccumulate) {
    launch_rows<true>(stream, norm, blocks);
  } else {
    launch_rows<false>(stream, norm, blocks);
  }
}

}  // namespace

void rmsnorm_backward(Stream& stream, View dx, View dw, ConstView dy, ConstView x, ConstView rstd,
                      ConstView w, GradMode dx_mode, GradMode dw_mode) {
  const int64_t N = x.dim(0);
  const int64_t C = x.dim(1);
  if (C == 0) return;
  if (N == 0) {
    if (dw_mode == GradMode::kOverwrite) fill_zero(stream, dw);
    return;
  }
  const int64_t block_rows = ceil_div(N, kMaxBlocks);
  const int64_t blocks = ceil_div(N, block_rows);
  with_device_type(x.dtype(), [&](auto tag) {
    using T = typename decltype(tag)::type;
    using A = Acc<T>;
    auto* const partial =
        static_cast<A*>(scratch(stream, ScratchUse::kPartialSums, blocks * C * int64_t{sizeof(A)}));
    const NormBackward<T> norm{device_data<A>(dx),
                               partial,
                               device_data<T>(dy),
                               device_data<T>(x),
                               device_data<T>(w),
                               device_data<A>(rstd),
                               N,
                               C,
                               block_rows};
    launch_backward(native(stream), norm, static_cast<unsigned>(blocks), dx_mode);
    combine_kernel<<<blocks_of(C, kColumns), dim3(kColumns, kGroups), 0, native(stream)>>>(
        device_data<A>(dw), partial, blocks, C, dw_mode);
    check_launch("rmsnorm_backward");
  });
}

}  // namespace lckv::ops::cuda
