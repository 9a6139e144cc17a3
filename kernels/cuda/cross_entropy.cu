#include <algorithm>

#include <cuda_pipeline_primitives.h>

#include "lckv/kernels/cuda/cross_entropy_row.cuh"
#include "lckv/kernels/cuda/kernels.h"

namespace lckv::ops::cuda {
namespace {

template <class D, class T>
struct Loss {
  T* nll;
  D* dlogits;  // null: the loss alone
  const T* logits;
  const int32_t* targets;
  int64_t N;
  int V;
  bool whole_packs;     // rows of logits and dlogits are multiples of packs, aligned
  const double* scale;  // null: the loss alone

  __device__ LogitsRow<T> row(int64_t n) const { return {logits + n * V, V, whole_packs}; }
  /// With *scale, which every thread has read once.
  __device__ RowGradient<D, T> gradient(const Normalizer<T>& total, int target,
                                        double factor) const {
    return {total, factor, target, V, static_cast<T>(factor / total.sum)};
  }
};

template <int kThreads, class T>
__global__ __launch_bounds__(kThreads) void forward_kernel(Loss<T, T> loss) {
  const int64_t n = blockIdx.x;
  const int target = loss.targets[n];
  T nll = 0;
  if (target != kIgnoreTarget) {
    const LogitsRow<T> row = loss.row(n);
    const Normalizer<T> total = row_normalizer<kThreads>(row);
    nll = nll_of(total, row.data[target]);
  }
  if (threadIdx.x == 0) loss.nll[n] = nll;
}

/// Reads a row twice, the second time from the cache if it is there still. dlogits may be logits:
/// a thread reads its columns before it writes them, and the target's logit is read by its owner.
template <int kThreads, class D, class T>
__global__ __launch_bounds__(kThreads) void two_pass_kernel(Loss<D, T> loss) {
  constexpr int kCount = Pack<T>::kCount;
  const int64_t n = blockIdx.x;
  const int target = loss.targets[n];
  const bool scored = target != kIgnoreTarget;
  const double scale = *loss.scale;
  const LogitsRow<T> row = loss.row(n);
  Normalizer<T> total{};
  if (scored) total = row_normalizer<kThreads>(row);
  if (!scored && threadIdx.x == 0) loss.nll[n] = 0;
  const RowGradient<D, T> gradient = loss.gradient(total, target, scale);
  for (int pack = static_cast<int>(threadIdx.x); pack < row.packs(); pack += kThreads) {
    Vector<D, kCount> values{};
    if (scored) {
      const Pack<T> logits = row.load(pack);
      values = gradient.of(pack, logits);
      if (gradient.has_target(pack)) {
        loss.nll[n] = nll_of(total, gradient.logit_of_target(logits));
      }
    }
    store_columns(loss.dlogits + n * loss.V, pack * kCount, loss.V, loss.whole_packs, values);
  }
}

/// A block's copy of one row in shared memory, every pack written and read by its owner alone, so
/// that no thread waits for another: while the gradient of a row is written, the next one arrives
/// where it lay.
template <int kThreads, class D, class T>
class StagedRows {
  static constexpr int kCount = Pack<T>::kCount;

 public:
  __device__ StagedRows(const Loss<D, T>& loss, Pack<T>* slots)
      : loss_(loss), slots_(slots), packs_(loss.V / kCount), scale_(*loss.scale) {}

  __device__ void run() {
    for (int pack = own(); pack < packs_; pack += kThreads) fetch(blockIdx.x, pack);
    for (int64_t n = blockIdx.x; n < loss_.N; n += gridDim.x) {
      wait_for_fetches();
      if (loss_.targets[n] == kIgnoreTarget) {
        put_zeros(n);
      } else {
        put_gradient(n, loss_.targets[n]);
      }
    }
  }

 private:
  __device__ static int own() { return static_cast<int>(threadIdx.x); }

  __device__ void fetch(int64_t n, int pack) {
    if (n >= loss_.N) return;
    __pipeline_memcpy_async(&slots_[pack], loss_.logits + n * loss_.V + pack * kCount,
                            sizeof(Pack<T>));
  }

  /// Unlike __pipeline_wait_prior, which lets the compiler move reads ahead of it.
  __device__ static void wait_for_fetches() { asm volatile("cp.async.wait_all;" ::: "memory"); }

  __device__ Normalizer<T> normalizer() const {
    RunningSum<T> own_sum;
    for (int pack = own(); pack < packs_; pack += kThreads) own_sum.add(slots_[pack]);
    return block_normalizer<kThreads>(own_sum);
  }

  __device__ void put_gradient(int64_t n, int target) {
    const Normalizer<T> total = normalizer();
    const RowGradient<D, T> gradient = loss_.gradient(total, target, scale_);
    D* const row = loss_.dlogits + n * loss_.V;
#pragma unroll 2
    for (int pack = own(); pack < packs_; pack += kThreads) {
      const Pack<T> logits = slots_[pack];
      fetch(n + gridDim.x, pack);
      store_vector(row + pack * kCount, gradient.of(pack, logits));
      if (gradient.has_target(pack)) {
        loss_.nll[n] = nll_of(total, gradient.logit_of_target(logits));
      }
    }
  }

  __device__ void put_zeros(int64_t n) {
    if (threadIdx.x == 0) loss_.nll[n] = 0;
    for (int pack = own(); pack < packs_; pack += kThreads) {
      fetch(n + gridDim.x, pack);
      store_vector(loss_.dlogits + n * loss_.V + pack * kCount, Vector<D, kCount>{});
    }
  }

  const Loss<D, T>& loss_;
  Pack<T>* const slots_;
  const int packs_;
  const double scale_;
};

template <int kThreads, class D, class T>
__global__ __launch_bounds__(kThreads) void staged_kernel(Loss<D, T> loss) {
  extern __shared__ int4 memory[];
  StagedRows<kThreads, D, T>(loss, reinterpret_cast<Pack<T>*>(memory)).run();
}

/// Shared memory that a block may ask for on the current device.
int64_t shared_bytes_limit() {
  int device = 0;
  int bytes = 0;
  if (cudaGetDevice(&device) != cudaSuccess ||
      cudaDeviceGetAttribute(&bytes, cudaDevAttrMaxSharedMemoryPerBlockOptin, device) !=
          cudaSuccess) {
    check_launch("cross_entropy_forward_backward");
  }
  constexpr int kOfSums = 1024;  // shared memory that block_normalizer has for itself, and some
  return bytes - kOfSums;
}

/// Rows per block are as many as make the first one's fetch, for which nobody computes, not matter;
/// four blocks in turn for each of 132 multiprocessors.
constexpr int64_t kStagedThreads = 528 * 1024;

template <int kThreads, class D, class T>
void launch_staged(cudaStream_t stream, const Loss<D, T>& loss) {
  const auto bytes = static_cast<int>(loss.V * sizeof(T));
  const auto kernel = staged_kernel<kThreads, D, T>;
  cudaFuncSetAttribute(kernel, cudaFuncAttributeMaxDynamicSharedMemorySize, bytes);
  check_launch("cross_entropy_forward_backward");
  const auto blocks = static_cast<unsigned>(std::min(loss.N, kStagedThreads / kThreads));
  kernel<<<blocks, kThreads, static_cast<size_t>(bytes), stream>>>(loss);
}

template <class D, class T>
bool whole_packs(const D* dlogits, const T* logits, int64_t V) {
  constexpr int kCount = Pack<T>::kCount;
  return fits_vectors<kCount>(logits, V) && fits_vectors<kCount>(dlogits, V);
}

template <class D, class T>
void launch_forward_backward(cudaStream_t stream, const Loss<D, T>& loss) {
  const bool staged =
      loss.whole_packs && loss.V * static_cast<int64_t>(sizeof(T)) <= shared_bytes_limit();
  with_row_threads(loss.V, [&](auto width) {
    constexpr int kThreads = decltype(width)::value;
    if (staged) {
      launch_staged<kThreads>(stream, loss);
    } else {
      two_pass_kernel<kThreads><<<blocks_of(loss.N, 1), kThreads, 0, stream>>>(loss);
    }
    check_launch("cross_entropy_forward_backward");
  });
}

}  // namespace

void cross_entropy_forward(Stream& stream, View nll, ConstView logits, ConstView targets) {
  if (logits.dim(0) == 0) return;
  with_device_type(logits.dtype(), [&](auto tag) {
    using T = Acc<typename decltype(tag)::type>;
    const int64_t V = logits.dim(1);
    const T* const data = device_data<T>(logits);
    const Loss<T, T> loss{device_data<T>(nll),           nullptr,       data,
                          device_data<int32_t>(targets), logits.dim(0), static_cast<int>(V),
                          whole_packs(data, data, V),    nullptr};
    with_row_threads(V, [&](auto width) {
      constexpr int kThreads = decltype(width)::value;
      forward_kernel<kThreads><<<blocks_of(loss.N, 1), kThreads, 0, native(stream)>>>(loss);
      check_launch("cross_entropy_forward");
    });
  });
}

void cross_entropy_forward_backward(Stream& stream, View nll, View dlogits, ConstView logits,
                                    ConstView targets, ConstView scale) {
  if (logits.numel() == 0) return;
  with_device_type(dlogits.dtype(), [&](auto tag) {
    using D = typename decltype(tag)::type;
    using T = Acc<D>;
    const int64_t V = logits.dim(1);
    const T* const data = device_data<T>(logits);
    D* const to = device_data<D>(dlogits);
    launch_forward_backward(
        native(stream),
        Loss<D, T>{device_data<T>(nll), to, data, device_data<int32_t>(targets), logits.dim(0),
                   static_cast<int>(V), whole_packs(to, data, V), device_data<double>(scale)});
  });
}

}  // namespace lckv::ops::cuda
