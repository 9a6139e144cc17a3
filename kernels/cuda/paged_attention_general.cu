#include <algorithm>

#include "lckv/kernels/cuda/paged_attention.cuh"

namespace lckv::ops::cuda {
namespace {

constexpr int kThreads = 128;
constexpr int kTile = kThreads;  // keys at once, one to a thread
constexpr int kHeads = 8;        // query heads of one block at most: they share what is read

/// What the threads of a block share; A is the accumulator.
template <class A>
struct Shared {
  A* q;              // [kHeads, D]
  A* out;            // [kHeads, D]
  A* s;              // [kHeads, kTile]: scores, then weights
  A* keep;           // [kHeads]: what earlier sums are multiplied with
  A *largest, *sum;  // [kHeads]
  int64_t* row;      // [kTile]: page * page_stride and token * token_stride of v

  __device__ Shared(void* memory, int width) {
    row = static_cast<int64_t*>(memory);
    q = reinterpret_cast<A*>(row + kTile);
    out = q + kHeads * width;
    s = out + kHeads * width;
    keep = s + kHeads * kTile;
    largest = keep + kHeads;
    sum = largest + kHeads;
  }
  static size_t bytes(int width) {
    return kTile * sizeof(int64_t) +
           (2 * kHeads * static_cast<size_t>(width) + kHeads * kTile + 3 * kHeads) * sizeof(A);
  }
};

__device__ inline float exp_of(float x) { return expf(x); }
__device__ inline double exp_of(double x) { return exp(x); }

/// Scores of this thread's key with the block's heads.
template <class T, bool kWide>
__device__ inline void score_key(Acc<T> (&s)[kHeads], const T* k, const Acc<T>* q, int heads,
                                 int width) {
  if constexpr (kWide) {
    constexpr int kCount = Pack<T>::kCount;
    for (int d = 0; d < width; d += kCount) {
      const Pack<T> pack = load_pack(k + d);
#pragma unroll
      for (int i = 0; i < kCount; ++i) {
        const Acc<T> x = widen(pack[i]);
#pragma unroll
        for (int g = 0; g < kHeads; ++g) {
          if (g < heads) s[g] += q[g * width + d + i] * x;
        }
      }
    }
  } else {
    for (int d = 0; d < width; ++d) {
      const Acc<T> x = widen(k[d]);
#pragma unroll
      for (int g = 0; g < kHeads; ++g) {
        if (g < heads) s[g] += q[g * width + d] * x;
      }
    }
  }
}

/// One warp per head: scores of the tile become weights, `keep` what was summed before is worth.
template <class A>
__device__ inline void weigh_tile(const Shared<A>& shared, int heads) {
  const int lane = static_cast<int>(threadIdx.x % 32);
  for (int g = static_cast<int>(threadIdx.x / 32); g < heads; g += kThreads / 32) {
    A* const s = shared.s + g * kTile;
    A largest = -INFINITY;
    for (int j = lane; j < kTile; j += 32) largest = max(largest, s[j]);
    const A before = shared.largest[g];
    largest = max(warp_max(largest), before);
    A sum = 0;
    for (int j = lane; j < kTile; j += 32) {
      const A weight = s[j] == -INFINITY ? A{0} : exp_of(s[j] - largest);
      s[j] = weight;
      sum += weight;
    }
    sum = warp_sum(sum);
    __syncwarp();  // every lane has read what lane 0 writes
    if (lane == 0) {
      const A keep = before == -INFINITY ? A{0} : exp_of(before - largest);
      shared.keep[g] = keep;
      shared.sum[g] = shared.sum[g] * keep + sum;
      shared.largest[g] = largest;
    }
  }
}

template <class T>
__device__ inline void add_values(const Shared<Acc<T>>& shared, const T* v, int heads, int width,
                                  int count) {
  for (int at = static_cast<int>(threadIdx.x); at < heads * width; at += kThreads) {
    const int g = at / width, d = at % width;
    Acc<T> sum = shared.out[at] * shared.keep[g];
    const Acc<T>* const weight = shared.s + g * kTile;
    for (int j = 0; j < count; ++j) sum += weight[j] * widen(v[shared.row[j] + d]);
    shared.out[at] = sum;
  }
}

/// Keys begin .. end-1 of the query: all heads of the block.
template <class T, bool kWide>
__device__ void attend(const PagedCall<T>& call, const Shared<Acc<T>>& shared, const T* q,
                       int64_t q_head, int begin, int end, const int32_t* pages, int64_t kv_head,
                       int heads) {
  using A = Acc<T>;
  const int width = call.width;
  __syncthreads();  // the part before this one has read its queries
  for (int at = static_cast<int>(threadIdx.x); at < heads * width; at += kThreads) {
    shared.q[at] = widen(q[at / width * q_head + at % width]) * static_cast<A>(call.scale);
  }
  for (int tile = begin; tile < end; tile += kTile) {
    __syncthreads();  // queries are there; the tile before has been added
    const int j = tile + static_cast<int>(threadIdx.x);
    A s[kHeads] = {};
    if (j < end) {
      const int64_t page = pages[j / call.page_tokens], token = j % call.page_tokens;
      shared.row[threadIdx.x] = page * call.v.page_stride + token * call.v.token_stride;
      score_key<T, kWide>(s,
                          call.k.data + page * call.k.page_stride + token * call.k.token_stride +
                              kv_head * call.k.head_stride,
                          shared.q, heads, width);
    }
#pragma unroll
    for (int g = 0; g < kHeads; ++g) {
      if (g < heads) shared.s[g * kTile + threadIdx.x] = j < end ? s[g] : A{-INFINITY};
    }
    __syncthreads();
    weigh_tile(shared, heads);
    __syncthreads();
    add_values(shared, call.v.data + kv_head * call.v.head_stride, heads, width,
               min(kTile, end - tile));
  }
}

/// Block x: the query. y: the key/value head. z: which kHeads of its query heads.
template <class T, bool kWide>
__global__ __launch_bounds__(kThreads) void paged_attention_kernel(PagedCall<T> call) {
  extern __shared__ __align__(16) unsigned char memory[];
  using A = Acc<T>;
  const Shared<A> shared(memory, call.width);
  const int64_t n = blockIdx.x, kv_head = blockIdx.y;
  const int first = static_cast<int>(blockIdx.z) * kHeads;
  const int heads = min(kHeads, call.group - first);
  const int64_t head = kv_head * call.group + first;
  for (int at = static_cast<int>(threadIdx.x); at < heads * call.width; at += kThreads) {
    shared.out[at] = 0;
  }
  if (threadIdx.x < kHeads) {
    shared.largest[threadIdx.x] = -INFINITY;
    shared.sum[threadIdx.x] = 0;
  }
  const int32_t* const pages = call.page_table + call.sequence[n] * call.table_row;
  if (call.sink_end != nullptr) {
    attend<T, kWide>(call, shared, call.q_sinks + n * call.sinks_row + head * call.sinks_head,
                     call.sinks_head, 0, call.sink_end[n], pages, kv_head, heads);
  }
  attend<T, kWide>(call, shared, call.q + n * call.q_row + head * call.q_head, call.q_head,
                   call.begin[n], call.end[n], pages, kv_head, heads);
  __syncthreads();
  for (int at = static_cast<int>(threadIdx.x); at < heads * call.width; at += kThreads) {
    const int g = at / call.width, d = at % call.width;
    const A sum = shared.sum[g];
    call.out[n * call.out_row + (head + g) * call.out_head + d] =
        narrow<T>(sum == 0 ? A{0} : shared.out[at] / sum);
  }
}

template <class T, bool kWide>
void launch(cudaStream_t stream, const PagedCall<T>& call) {
  const size_t bytes = Shared<Acc<T>>::bytes(call.width);
  constexpr size_t kWithoutAsking = 48 * 1024;
  if (bytes > kWithoutAsking) {
    const cudaError_t status =
        cudaFuncSetAttribute(paged_attention_kernel<T, kWide>,
                             cudaFuncAttributeMaxDynamicSharedMemorySize, static_cast<int>(bytes));
    if (status != cudaSuccess) {
      throw CudaError(std::string("paged_attention_forward: ") + cudaGetErrorString(status));
    }
  }
  const dim3 grid(static_cast<unsigned>(call.queries), static_cast<unsigned>(call.kv_heads),
                  static_cast<unsigned>(ceil_div(call.group, kHeads)));
  paged_attention_kernel<T, kWide><<<grid, kThreads, bytes, stream>>>(call);
  check_launch("paged_attention_forward");
}

}  // namespace

template <class T>
void paged_general(const Stream& stream, const PagedCall<T>& call, bool wide) {
  if (wide) {
    launch<T, true>(native(stream), call);
  } else {
    launch<T, false>(native(stream), call);
  }
}

template void paged_general(const Stream&, const PagedCall<__nv_bfloat16>&, bool);
template void paged_general(const Stream&, const PagedCall<float>&, bool);
template void paged_general(const Stream&, const PagedCall<double>&, bool);

}  // namespace lckv::ops::cuda
