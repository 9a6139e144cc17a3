#include "lckv/kernels/cuda/kernels.h"
#include "lckv/kernels/cuda/vectors.cuh"

namespace lckv::ops::cuda {
namespace {

constexpr int kThreads = 256;
// Vectors that a thread has under way at once, kThreads apart: 64 KB per multiprocessor, where some
// 40 KB hide the latency of the memory.
constexpr int kAhead = 4;

/// One rounding, to nearest even; equal types keep their bits.
template <class To, class From>
__device__ inline To cast(From x) {
  if constexpr (std::is_same_v<To, From>) {
    return x;
  } else if constexpr (std::is_same_v<To, __nv_bfloat16> && std::is_same_v<From, double>) {
    return __double2bfloat16(x);  // through a float it would be rounded twice
  } else {
    return narrow<To>(widen(x));
  }
}

template <int kCount, class To, class From>
struct CopyRows {
  To* to;
  const From* from;
  int64_t to_stride, from_stride;  // elements
  int64_t columns;                 // vectors in a row
  int64_t items;                   // vectors in all rows
};

template <int kCount, class To, class From>
__global__ __launch_bounds__(kThreads) void copy_kernel(CopyRows<kCount, To, From> rows) {
  const int64_t first = int64_t{blockIdx.x} * (kThreads * kAhead) + threadIdx.x;
  Vector<From, kCount> read[kAhead];
  int64_t to_at[kAhead];
#pragma unroll
  for (int k = 0; k < kAhead; ++k) {
    const int64_t item = first + k * kThreads;
    if (item >= rows.items) continue;
    const RowColumn at = row_column(item, rows.columns);
    to_at[k] = at.row * rows.to_stride + at.column * kCount;
    read[k] = load_vector<kCount>(rows.from + at.row * rows.from_stride + at.column * kCount);
  }
#pragma unroll
  for (int k = 0; k < kAhead; ++k) {
    if (first + k * kThreads >= rows.items) continue;
    Vector<To, kCount> result;
#pragma unroll
    for (int i = 0; i < kCount; ++i) result[i] = cast<To>(read[k][i]);
    store_vector(rows.to + to_at[k], result);
  }
}

template <int kCount, class To, class From>
void launch_copy(cudaStream_t stream, const CopyRows<kCount, To, From>& rows) {
  copy_kernel<<<blocks_of(rows.items, kThreads * kAhead), kThreads, 0, stream>>>(rows);
  check_launch("copy");
}

template <class To, class From>
void copy_elements(cudaStream_t stream, To* to, const From* from, int64_t count) {
  constexpr int kWide = kWidth<To, From>;
  const bool wide = fits_vectors<kWide>(to) && fits_vectors<kWide>(from);
  with_widths<kWide>(wide, count, [&](auto width, int64_t begin, int64_t end) {
    constexpr int kCount = decltype(width)::value;
    const int64_t vectors = (end - begin) / kCount;
    launch_copy(stream,
                CopyRows<kCount, To, From>{to + begin, from + begin, 0, 0, vectors, vectors});
  });
}

template <class To, class From>
void copy_rows(cudaStream_t stream, const View& to, const ConstView& from) {
  constexpr int kWide = kWidth<To, From>;
  auto* const to_data = device_data<To>(to);
  const auto* const from_data = device_data<From>(from);
  const bool wide = to.dim(1) % kWide == 0 && fits_vectors<kWide>(to_data, to.stride(0)) &&
                    fits_vectors<kWide>(from_data, from.stride(0));
  with_width<kWide>(wide, [&](auto width) {
    constexpr int kCount = decltype(width)::value;
    launch_copy(stream, CopyRows<kCount, To, From>{to_data, from_data, to.stride(0), from.stride(0),
                                                   to.dim(1) / kCount, to.numel() / kCount});
  });
}

template <class F>
void with_two_types(DType to, DType from, const F& f) {
  with_device_type(to, [&](auto to_tag) {
    with_device_type(from, [&](auto from_tag) { f(to_tag, from_tag); });
  });
}

/// `to` may be `from`: a thread reads its elements before it writes them.
template <int kCount, class To, class From>
__global__ __launch_bounds__(kThreads) void add_kernel(To* to, const From* from, int64_t vectors) {
  const int64_t first = int64_t{blockIdx.x} * (kThreads * kAhead) + threadIdx.x;
  Vector<To, kCount> sum[kAhead];
  Vector<From, kCount> read[kAhead];
#pragma unroll
  for (int k = 0; k < kAhead; ++k) {
    const int64_t item = first + k * kThreads;
    if (item >= vectors) continue;
    sum[k] = load_vector<kCount>(to + item * kCount);
    read[k] = load_vector<kCount>(from + item * kCount);
  }
#pragma unroll
  for (int k = 0; k < kAhead; ++k) {
    const int64_t item = first + k * kThreads;
    if (item >= vectors) continue;
#pragma unroll
    for (int i = 0; i < kCount; ++i) {
      sum[k][i] = narrow<To>(widen(sum[k][i]) + static_cast<Acc<To>>(widen(read[k][i])));
    }
    store_vector(to + item * kCount, sum[k]);
  }
}

template <class To, class From>
void add_elements(cudaStream_t stream, To* to, const From* from, int64_t count) {
  constexpr int kWide = kWidth<To, From>;
  const bool wide = fits_vectors<kWide>(to) && fits_vectors<kWide>(from);
  with_widths<kWide>(wide, count, [&](auto width, int64_t begin, int64_t end) {
    constexpr int kCount = decltype(width)::value;
    const int64_t vectors = (end - begin) / kCount;
    add_kernel<kCount><<<blocks_of(vectors, kThreads * kAhead), kThreads, 0, stream>>>(
        to + begin, from + begin, vectors);
    check_launch("add");
  });
}

/// Strides and C in units of memory.
template <class Unit>
__global__ __launch_bounds__(kThreads) void numbered_rows_kernel(Unit* to, const int32_t* to_row,
                                                                 int64_t to_stride,
                                                                 const Unit* from,
                                                                 const int32_t* from_row,
                                                                 int64_t from_stride, int64_t C) {
  Unit* const target = to + int64_t{to_row[blockIdx.x]} * to_stride;
  const Unit* const source = from + int64_t{from_row[blockIdx.x]} * from_stride;
  for (int64_t c = threadIdx.x; c < C; c += kThreads) target[c] = source[c];
}

template <class Unit>
void launch_numbered_rows(const Stream& stream, const View& to, const ConstView& to_row,
                          const ConstView& from, const ConstView& from_row) {
  const auto units = [&](int64_t elems) {
    return elems * size_bytes(to.dtype()) / static_cast<int64_t>(sizeof(Unit));
  };
  numbered_rows_kernel<<<static_cast<unsigned>(to_row.numel()), kThreads, 0, native(stream)>>>(
      device_data<Unit>(to), device_data<int32_t>(to_row), units(to.stride(0)),
      device_data<Unit>(from), device_data<int32_t>(from_row), units(from.stride(0)),
      units(to.dim(1)));
  check_launch("copy_numbered_rows");
}

}  // namespace

void copy_numbered_rows(Stream& stream, View to, ConstView to_row, ConstView from,
                        ConstView from_row) {
  const int64_t element = size_bytes(to.dtype());
  if (fits_packs<uint8_t>(to.raw(), to.dim(1) * element, to.stride(0) * element) &&
      fits_packs<uint8_t>(from.raw(), to.dim(1) * element, from.stride(0) * element)) {
    launch_numbered_rows<int4>(stream, to, to_row, from, from_row);
    return;
  }
  with_device_type(to.dtype(), [&](auto tag) {
    launch_numbered_rows<typename decltype(tag)::type>(stream, to, to_row, from, from_row);
  });
}

void copy(Stream& stream, View to, ConstView from) {
  if (to.raw() == from.raw() || to.numel() == 0) return;
  with_two_types(to.dtype(), from.dtype(), [&](auto to_tag, auto from_tag) {
    using To = typename decltype(to_tag)::type;
    using From = typename decltype(from_tag)::type;
    if (to.is_contiguous() && from.is_contiguous()) {
      copy_elements(native(stream), device_data<To>(to), device_data<From>(from), to.numel());
    } else {
      copy_rows<To, From>(native(stream), to, from);
    }
  });
}

void fill_zero(Stream& stream, View x) {
  if (x.numel() == 0) return;
  const cudaError_t status =
      cudaMemsetAsync(x.raw(), 0, static_cast<size_t>(x.bytes()), native(stream));
  if (status != cudaSuccess)
    throw CudaError(std::string("fill_zero: ") + cudaGetErrorString(status));
}

void add(Stream& stream, View to, ConstView from) {
  with_two_types(to.dtype(), from.dtype(), [&](auto to_tag, auto from_tag) {
    using To = typename decltype(to_tag)::type;
    using From = typename decltype(from_tag)::type;
    if constexpr (sizeof(From) <= sizeof(To)) {  // the op refuses others
      add_elements(native(stream), device_data<To>(to), device_data<From>(from), to.numel());
    }
  });
}

}  // namespace lckv::ops::cuda
