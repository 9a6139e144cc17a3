#include <cmath>
#include <memory>

#include "lckv/kernels/cpu/per_isa/parallel.h"
#include "lckv/kernels/cpu/per_isa/vector_math.h"

LCKV_CPU_BEGIN
namespace {

template <class T, class A>
A sum_of_row_squares(const T* x, int64_t C) {
  A sum = 0;
#pragma omp simd reduction(+ : sum)
  for (int64_t c = 0; c < C; ++c) sum += to_acc(x[c]) * to_acc(x[c]);
  return sum;
}

template <class T, class A>
void scale_row(T* __restrict y, const T* x, const T* w, A rstd, int64_t C) {
#pragma omp simd
  for (int64_t c = 0; c < C; ++c) y[c] = from_acc<T>(to_acc(w[c]) * to_acc(x[c]) * rstd);
}

// One row's part of dw; returns sum_c w dy x.
template <class T, class A>
A add_row_to_gain(A* __restrict dw, const T* dy, const T* x, const T* w, A rstd, int64_t C) {
  A dot = 0;
#pragma omp simd reduction(+ : dot)
  for (int64_t c = 0; c < C; ++c) {
    const A product = to_acc(dy[c]) * to_acc(x[c]);
    dw[c] += product * rstd;
    dot += product * to_acc(w[c]);
  }
  return dot;
}

// dx (+)= rstd * (w dy - x * pull), pull = rstd^2 mean_c(w dy x)
template <bool kAdd, class T, class A>
void row_backward(A* __restrict dx, const T* dy, const T* x, const T* w, A rstd, A pull,
                  int64_t C) {
#pragma omp simd
  for (int64_t c = 0; c < C; ++c) {
    const A value = rstd * (to_acc(w[c]) * to_acc(dy[c]) - to_acc(x[c]) * pull);
    dx[c] = kAdd ? dx[c] + value : value;
  }
}

// dw is summed in blocks of rows, then over the blocks in order: the same sum for every number of
// threads.
constexpr int64_t kMinBlockRows = 32;
constexpr int64_t kMaxBlocks = 64;

struct Blocks {
  int64_t count;
  int64_t rows;  // of each but the last
};

Blocks blocks_of(int64_t N) {
  const int64_t rows = std::max(kMinBlockRows, (N + kMaxBlocks - 1) / kMaxBlocks);
  return {(N + rows - 1) / rows, rows};
}

template <class A>
void combine_blocks(A* __restrict dw, const A* partial, int64_t count, int64_t C, GradMode mode) {
  parallel_elements(C, [&](int64_t begin, int64_t end) {
    if (mode == GradMode::kOverwrite) std::fill(dw + begin, dw + end, A{0});
    for (int64_t block = 0; block < count; ++block) {
      const A* from = partial + block * C;
#pragma omp simd
      for (int64_t c = begin; c < end; ++c) dw[c] += from[c];
    }
  });
}

}  // namespace

void rmsnorm_forward(Stream&, View y, View rstd, ConstView x, ConstView w, double eps) {
  const int64_t N = x.dim(0);
  const int64_t C = x.dim(1);
  with_float_type(x.dtype(), [&](auto tag) {
    using T = typename decltype(tag)::type;
    using A = AccumulatorOf<T>;
    T* const y_data = y.data<T>();
    A* const rstd_data = rstd.data<A>();
    const T* const x_data = x.data<T>();
    const T* const gain = w.data<T>();
    parallel_ranges(N, N * C, [&](int64_t begin, int64_t end) {
      for (int64_t n = begin; n < end; ++n) {
        const T* row = x_data + n * C;
        const A mean = sum_of_row_squares<T, A>(row, C) / static_cast<A>(C);
        const A scale = A{1} / std::sqrt(mean + static_cast<A>(eps));
        rstd_data[n] = scale;
        scale_row(y_data + n * C, row, gain, scale, C);
      }
    });
  });
}

void rmsnorm_backward(Stream&, View dx, View dw, ConstView dy, ConstView x, ConstView rstd,
                      ConstView w, GradMode dx_mode, GradMode dw_mode) {
  const int64_t N = x.dim(0);
  const int64_t C = x.dim(1);
  const Blocks blocks = blocks_of(N);
  with_float_type(x.dtype(), [&](auto tag) {
    using T = typename decltype(tag)::type;
    using A = AccumulatorOf<T>;
    const std::unique_ptr<A[]> partial(new A[static_cast<size_t>(blocks.count * C)]);
    A* const dx_data = dx.data<A>();
    const T* const dy_data = dy.data<T>();
    const T* const x_data = x.data<T>();
    const A* const rstd_data = rstd.data<A>();
    const T* const gain = w.data<T>();
    const auto one_row = [&](A* dgain, int64_t n) {
      const T* dy_row = dy_data + n * C;
      const T* x_row = x_data + n * C;
      A* dx_row = dx_data + n * C;
      const A scale = rstd_data[n];
      const A dot = add_row_to_gain(dgain, dy_row, x_row, gain, scale, C);
      const A pull = dot * scale * scale / static_cast<A>(C);
      if (dx_mode == GradMode::kAccumulate) {
        row_backward<true>(dx_row, dy_row, x_row, gain, scale, pull, C);
      } else {
        row_backward<false>(dx_row, dy_row, x_row, gain, scale, pull, C);
      }
    };
    parallel_ranges(blocks.count, N * C, [&](int64_t begin, int64_t end) {
      for (int64_t block = begin; block < end; ++block) {
        A* dgain = partial.get() + block * C;
        std::fill(dgain, dgain + C, A{0});
        const int64_t last = std::min(N, (block + 1) * blocks.rows);
        for (int64_t n = block * blocks.rows; n < last; ++n) one_row(dgain, n);
      }
    });
    combine_blocks(dw.data<A>(), partial.get(), blocks.count, C, dw_mode);
  });
}

LCKV_CPU_END
