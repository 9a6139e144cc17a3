#include <cmath>

#include "lckv/kernels/cpu/per_isa/parallel.h"
#include "lckv/kernels/cpu/per_isa/vector_math.h"

LCKV_CPU_BEGIN
namespace {

// Rotates the pairs (x[j], x[j + half]) of one head by the angle of `sign * sin`.
template <class T, class A>
void rotate_head(T* __restrict x, const A* cos, const A* sin, A sign, int64_t half) {
#pragma omp simd
  for (int64_t j = 0; j < half; ++j) {
    const A x1 = to_acc(x[j]);
    const A x2 = to_acc(x[j + half]);
    const A s = sign * sin[j];
    x[j] = from_acc<T>(x1 * cos[j] - x2 * s);
    x[j + half] = from_acc<T>(x2 * cos[j] + x1 * s);
  }
}

void rotate(View x, ConstView cos, ConstView sin, ConstView positions, int sign) {
  const int64_t N = x.dim(0);
  const int64_t H = x.dim(1);
  const int64_t half = x.dim(2) / 2;
  with_float_type(x.dtype(), [&](auto tag) {
    using T = typename decltype(tag)::type;
    using A = AccumulatorOf<T>;
    T* const x_data = x.data<T>();
    const A* const cos_data = cos.data<A>();
    const A* const sin_data = sin.data<A>();
    const int32_t* const position_of = positions.data<int32_t>();
    parallel_ranges(N, x.numel(), [&](int64_t begin, int64_t end) {
      for (int64_t n = begin; n < end; ++n) {
        const int64_t at = position_of[n] * half;
        T* row = x_data + n * x.stride(0);
        for (int64_t h = 0; h < H; ++h) {
          rotate_head(row + h * x.stride(1), cos_data + at, sin_data + at, static_cast<A>(sign),
                      half);
        }
      }
    });
  });
}

}  // namespace

void rope_forward(Stream&, View x, ConstView cos, ConstView sin, ConstView positions) {
  rotate(x, cos, sin, positions, 1);
}

void rope_backward(Stream&, View dx, ConstView cos, ConstView sin, ConstView positions) {
  rotate(dx, cos, sin, positions, -1);
}

void rope_tables(Stream&, View cos, View sin, double theta) {
  const int64_t half = cos.dim(1);
  with_float_type(cos.dtype(), [&](auto tag) {
    using T = typename decltype(tag)::type;
    T* const cos_data = cos.data<T>();
    T* const sin_data = sin.data<T>();
    parallel_ranges(cos.dim(0), cos.numel(), [&](int64_t begin, int64_t end) {
      for (int64_t position = begin; position < end; ++position) {
        for (int64_t j = 0; j < half; ++j) {
          const double exponent = -static_cast<double>(j) / static_cast<double>(half);
          const double angle = static_cast<double>(position) * std::pow(theta, exponent);
          cos_data[position * half + j] = from_acc<T>(std::cos(angle));
          sin_data[position * half + j] = from_acc<T>(std::sin(angle));
        }
      }
    });
  });
}

LCKV_CPU_END
