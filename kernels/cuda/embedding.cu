#include "lckv/kernels/cuda/kernels.h"
#include "lckv/kernels/cuda/vectors.cuh"

namespace lckv::ops::cuda {
namespace {

constexpr int kThreads = 256;
constexpr int kRows = 4;  // of y, whose table rows a thread reads at once

/// A row of y copied from the table, whatever the dtype: C units of memory.
template <class Unit>
struct Lookup {
  Unit* y;
  const Unit* w;
  const int32_t* tokens;
  int64_t N, V, first_token;
  int64_t C;  // units
};

template <class Unit>
__global__ __launch_bounds__(kThreads) void forward_kernel(Lookup<Unit> lookup) {
  const int64_t first = int64_t{blockIdx.x} * kRows;
  int64_t row_of[kRows];
#pragma unroll
  for (int r = 0; r < kRows; ++r) {
    row_of[r] = first + r < lookup.N ? lookup.tokens[first + r] - lookup.first_token : -1;
    if (row_of[r] >= lookup.V) row_of[r] = -1;
  }
  for (int64_t c = threadIdx.x; c < lookup.C; c += kThreads) {
    Unit units[kRows];
#pragma unroll
    for (int r = 0; r < kRows; ++r) {
      units[r] = row_of[r] >= 0 ? lookup.w[row_of[r] * lookup.C + c] : Unit{};
    }
#pragma unroll
    for (int r = 0; r < kRows; ++r) {
      if (first + r < lookup.N) lookup.y[(first + r) * lookup.C + c] = units[r];
    }
  }
}

template <class Unit>
void launch_forward(const Stream& stream, const View& y, const ConstView& w,
                    const ConstView& tokens, int64_t first_token) {
  const int64_t row_bytes = y.dim(1) * size_bytes(y.dtype());
  const Lookup<Unit> lookup{device_data<Unit>(y),
                            device_data<Unit>(w),
                            device_data<int32_t>(tokens),
                            y.dim(0),
                            w.dim(0),
                            first_token,
                            row_bytes / static_cast<int64_t>(sizeof(Unit))};
  forward_kernel<<<blocks_of(lookup.N, kRows), kThreads, 0, native(stream)>>>(lookup);
  check_launch("embedding_forward");
}

}  // namespace

void embedding_forward(Stream& stream, View y, ConstView w, ConstView tokens, int64_t first_token) {
  if (y.numel() == 0) return;
  const int64_t row_bytes = y.dim(1) * size_bytes(y.dtype());
  if (fits_packs<uint8_t>(y.raw(), row_bytes, row_bytes) &&
      fits_packs<uint8_t>(w.raw(), row_bytes, row_bytes)) {
    launch_forward<int4>(stream, y, w, tokens, first_token);
    return;
  }
  with_device_type(y.dtype(), [&](auto tag) {
    launch_forward<typename decltype(tag)::type>(stream, y, w, tokens, first_token);
  });
}

}  // namespace lckv::ops::cuda
