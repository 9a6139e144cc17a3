#include "lckv/kernels/cuda/kernels.h"
#include "lckv/kernels/cuda/vectors.cuh"

namespace lckv::ops::cuda {
namespace {

__device__ inline float root(float x) { return sqrtf(x); }
__device__ inline double root(double x) { return sqrt(x); }

template <class T>
struct Norm {
  T* y;
  Acc<T>* rstd;
  const T *x, *w;
  int64_t N, C;
  Acc<T> eps;
};

/// Sum over the threads of one row: a warp, or the whole block.
template <int kRowThreads, class A>
__device__ inline A row_sum(A x) {
  if constexpr (kRowThreads == 32) return warp_sum(x);
  return block_sum<kRowThreads>(x);
}

/// One row for kRowThreads threads, which keep it in registers: x is read once. Pack p of a row
/// belongs to thread p % kRowThreads.
template <int kBlockThreads, int kRowThreads, int kPacks, class T>
__global__ __launch_bounds__(kBlockThreads) void forward_kernel(Norm<T> norm) {
  using A = Acc<T>;
  constexpr int kCount = Pack<T>::kCount;
  const int64_t n = int64_t{blockIdx.x} * (kBlockThreads / kRowThreads) + threadIdx.x / kRowThreads;
  if (n >= norm.N) return;  // a whole warp, and no row of a block alone
  const int packs = static_cast<int>(norm.C) / kCount;
  const int own = static_cast<int>(threadIdx.x) % kRowThreads;
  const T* const x = norm.x + n * norm.C;

  Pack<T> row[kPacks];
#pragma unroll
  for (int k = 0; k < kPacks; ++k) {
    const int pack = own + k * kRowThreads;
    if (pack < packs) row[k] = load_pack(x + pack * kCount);
  }
  A sum = 0;
#pragma unroll
  for (int k = 0; k < kPacks; ++k) {
    if (own + k * kRowThreads >= packs) continue;
#pragma unroll
    for (int i = 0; i < kCount; ++i) sum += widen(row[k][i]) * widen(row[k][i]);
  }
  const A mean = row_sum<kRowThreads>(sum) / static_cast<A>(norm.C);
  const A rstd = A{1} / root(mean + norm.eps);
  if (own == 0) norm.rstd[n] = rstd;
#pragma unroll
  for (int k = 0; k < kPacks; ++k) {
    const int pack = own + k * kRowThreads;
    if (pack >= packs) continue;
    const Pack<T> gain = load_pack(norm.w + pack * kCount);
#pragma unroll
    for (int i = 0; i < kCount; ++i) {
      row[k][i] = narrow<T>(widen(gain[i]) * widen(row[k][i]) * rstd);
    }
    store_pack(norm.y + n * norm.C + pack * kCount, row[k]);
  }
}

/// Rows of any length and alignment, element by element; x is read twice.
template <int kThreads, class T>
__global__ __launch_bounds__(kThreads) void forward_any_kernel(Norm<T> norm) {
  using A = Acc<T>;
  const int64_t n = blockIdx.x;
  const T* const x = norm.x + n * norm.C;
  A sum = 0;
  for (int64_t c = threadIdx.x; c < norm.C; c += kThreads) sum += widen(x[c]) * widen(x[c]);
  const A mean = block_sum<kThreads>(sum) / static_cast<A>(norm.C);
  const A rstd = A{1} / root(mean + norm.eps);
  if (threadIdx.x == 0) norm.rstd[n] = rstd;
  for (int64_t c = threadIdx.x; c < norm.C; c += kThreads) {
    norm.y[n * norm.C + c] = narrow<T>(widen(norm.w[c]) * widen(x[c]) * rstd);
  }
}

template <int kRowThreads, int kPacks, class T>
void launch_packs(cudaStream_t stream, const Norm<T>& norm) {
  constexpr int kBlockThreads = kRowThreads == 32 ? 128 : kRowThreads;
  forward_kernel<kBlockThreads, kRowThreads, kPacks>
      <<<blocks_of(norm.N, kBlockThreads / kRowThreads), kBlockThreads, 0, stream>>>(norm);
}

/// Up to 2048 columns of bf16 a warp has a row and nobody waits for another one.
template <class T>
void launch_forward(cudaStream_t stream, const Norm<T>& norm) {
  const bool wide = fits_packs<T>(norm.x, norm.C, norm.C) &&
                    fits_packs<T>(norm.y, norm.C, norm.C) && fits_packs<T>(norm.w, norm.C, norm.C);
  const int64_t packs = norm.C / Pack<T>::kCount;
  if (wide && packs <= 64) {
    launch_packs<32, 2>(stream, norm);
  } else if (wide && packs <= 256) {
    launch_packs<32, 8>(stream, norm);
  } else if (wide && packs <= 1024) {
    launch_packs<256, 4>(stream, norm);
  } else if (wide && packs <= 4096) {
    launch_packs<1024, 4>(stream, norm);
  } else {
    constexpr int kThreads = 256;
    forward_any_kernel<kThreads><<<blocks_of(norm.N, 1), kThreads, 0, stream>>>(norm);
  }
  check_launch("rmsnorm_forward");
}

}  // namespace

void rmsnorm_forward(Stream& stream, View y, View rstd, ConstView x, ConstView w, double eps) {
  if (x.dim(0) == 0) return;
  with_device_type(x.dtype(), [&](auto tag) {
    using T = typename decltype(tag)::type;
    using A = Acc<T>;
    launch_forward(native(stream),
                   Norm<T>{device_data<T>(y), device_data<A>(rstd), device_data<T>(x),
                           device_data<T>(w), x.dim(0), x.dim(1), static_cast<A>(eps)});
  });
}

}  // namespace lckv::ops::cuda
