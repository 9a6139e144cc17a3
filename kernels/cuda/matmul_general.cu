#include "lckv/kernels/cuda/launch.cuh"
#include "lckv/kernels/cuda/matmul_general.h"

namespace lckv::ops::cuda {

namespace {

constexpr int kTile = 16;

template <class T>
struct Operand {
  const T* data;
  int64_t row_stride;
  int64_t col_stride;
};

/// Element of a tile that may reach beyond the matrix, where it is 0.
template <class T>
__device__ Acc<T> element(const Operand<T>& m, int64_t row, int64_t col, int64_t rows,
                          int64_t cols) {
  if (row >= rows || col >= cols) return 0;
  return widen(m.data[row * m.row_stride + col * m.col_stride]);
}

/// One block: kTile x kTile elements of C [rows, cols] = A [rows, sums] B [sums, cols] + added.
/// Blocks are counted along the rows first, of which there may be very many.
template <class T, class Out>
__global__ void __launch_bounds__(kTile* kTile)
    multiply(Out* c, int64_t c_stride, Operand<T> a, Operand<T> b, const Out* added,
             int64_t added_stride, int64_t rows, int64_t cols, int64_t sums) {
  __shared__ Acc<T> a_tile[kTile][kTile + 1], b_tile[kTile][kTile + 1];
  const int tx = static_cast<int>(threadIdx.x), ty = static_cast<int>(threadIdx.y);
  const int64_t row = int64_t{blockIdx.x} * kTile + ty, col = int64_t{blockIdx.y} * kTile + tx;
  Acc<T> sum = 0;
  for (int64_t begin = 0; begin < sums; begin += kTile) {
    a_tile[ty][tx] = element(a, row, begin + tx, rows, sums);
    b_tile[ty][tx] = element(b, begin + ty, col, sums, cols);
    __syncthreads();
#pragma unroll
    for (int k = 0; k < kTile; ++k) sum += a_tile[ty][k] * b_tile[k][tx];
    __syncthreads();
  }
  if (row >= rows || col >= cols) return;
  if (added != nullptr) sum += widen(added[row * added_stride + col]);
  c[row * c_stride + col] = narrow<Out>(sum);
}

template <class T>
Operand<T> operand(const void* data, int64_t stride, bool transposed) {
  return {static_cast<const T*>(data), transposed ? 1 : stride, transposed ? stride : 1};
}

template <class T, class Out>
void launch(const Stream& stream, const GemmKey& key, const GemmOperands& at) {
  const dim3 blocks(static_cast<unsigned>(ceil_div<int64_t>(key.rows, kTile)),
                    static_cast<unsigned>(ceil_div<int64_t>(key.cols, kTile)));
  multiply<T, Out><<<blocks, dim3(kTile, kTile), 0, native(stream)>>>(
      static_cast<Out*>(at.c), key.c_stride, operand<T>(at.a, key.a_stride, key.a_transposed),
      operand<T>(at.b, key.b_stride, key.b_transposed), static_cast<const Out*>(at.added),
      key.added_stride, key.rows, key.cols, key.sums);
  check_launch("matmul");
}

}  // namespace

void matmul_general(Stream& stream, const GemmKey& key, const GemmOperands& at) {
  with_device_type(key.in, [&](auto tag) {
    using T = typename decltype(tag)::type;
    if constexpr (std::is_same_v<T, __nv_bfloat16>) {
      if (key.out == DType::kF32) return launch<T, float>(stream, key, at);
    }
    launch<T, T>(stream, key, at);
  });
}

}  // namespace lckv::ops::cuda
