#include <array>
#include <cmath>
#include <limits>

#include "lckv/kernels/cpu/per_isa/parallel.h"
#include "lckv/kernels/cpu/per_isa/vector_math.h"

LCKV_CPU_BEGIN
namespace {

struct Identity {
  static double of(double x) { return x; }
};
struct Square {
  static double of(double x) { return x * x; }
};

// Sixteen interleaved sums, added in order at the end: the same order for every instruction set.
template <class Term, class T>
double sum_block(const T* x, int64_t count) {
  constexpr int64_t kLanes = 16;
  std::array<double, kLanes> lanes{};
  const int64_t whole = count - count % kLanes;
  for (int64_t i = 0; i < whole; i += kLanes) {
    for (int64_t lane = 0; lane < kLanes; ++lane) {
      lanes[static_cast<size_t>(lane)] += Term::of(static_cast<double>(to_acc(x[i + lane])));
    }
  }
  double sum = 0;
  for (const double lane : lanes) sum += lane;
  for (int64_t i = whole; i < count; ++i) sum += Term::of(static_cast<double>(to_acc(x[i])));
  return sum;
}

/// Sums of a row's squares, of its change and of itself; interleaved as those of sum_block().
template <class T>
void row_squares(double* squares, const T* x, const T* before, int64_t count) {
  constexpr int64_t kLanes = 16;
  std::array<double, kLanes> change{}, size{};
  const auto add = [&](int64_t i, int64_t lane) {
    const auto value = static_cast<double>(to_acc(x[i]));
    const double difference = value - static_cast<double>(to_acc(before[i]));
    change[static_cast<size_t>(lane)] += difference * difference;
    size[static_cast<size_t>(lane)] += value * value;
  };
  const int64_t whole = count - count % kLanes;
  for (int64_t i = 0; i < whole; i += kLanes) {
    for (int64_t lane = 0; lane < kLanes; ++lane) add(i + lane, lane);
  }
  for (int64_t i = whole; i < count; ++i) add(i, i - whole);
  squares[0] = squares[1] = 0;
  for (const double lane : change) squares[0] += lane;
  for (const double lane : size) squares[1] += lane;
}

// Blocks whose size and number depend on the number of elements alone.
constexpr int64_t kMinBlockElems = 4096;
constexpr int64_t kMaxBlocks = 1024;

template <class Term>
double sum_all(ConstView x) {
  return with_float_type(x.dtype(), [&](auto tag) {
    using T = typename decltype(tag)::type;
    const T* const data = x.data<T>();
    const int64_t total = x.numel();
    const int64_t block_elems = std::max(kMinBlockElems, (total + kMaxBlocks - 1) / kMaxBlocks);
    const int64_t blocks = (total + block_elems - 1) / block_elems;
    std::array<double, kMaxBlocks> partial;
    parallel_ranges(blocks, total, [&](int64_t begin, int64_t end) {
      for (int64_t block = begin; block < end; ++block) {
        const int64_t first = block * block_elems;
        partial[static_cast<size_t>(block)] =
            sum_block<Term>(data + first, std::min(block_elems, total - first));
      }
    });
    double sum = 0;
    for (int64_t block = 0; block < blocks; ++block) sum += partial[static_cast<size_t>(block)];
    return sum;
  });
}

/// Of equal columns the first. NaN compares false with everything.
template <class T>
int32_t first_largest(const T* x, int64_t count) {
  T largest = -std::numeric_limits<T>::infinity();
#pragma omp simd reduction(max : largest)
  for (int64_t j = 0; j < count; ++j) largest = x[j] > largest ? x[j] : largest;
  for (int64_t j = 0; j < count; ++j) {
    if (x[j] == largest) return static_cast<int32_t>(j);
  }
  return 0;
}

void store(View total, double sum, GradMode mode) {
  double* to = total.data<double>();
  *to = mode == GradMode::kAccumulate ? *to + sum : sum;
}

}  // namespace

void sum(Stream&, View total, ConstView x, GradMode mode) {
  store(total, sum_all<Identity>(x), mode);
}

void sum_of_squares(Stream&, View total, ConstView x, GradMode mode) {
  store(total, sum_all<Square>(x), mode);
}

void row_changes(Stream&, View squares, ConstView x, ConstView before) {
  const int64_t columns = x.dim(1);
  with_float_type(x.dtype(), [&](auto tag) {
    using T = typename decltype(tag)::type;
    const T *const now = x.data<T>(), *const old = before.data<T>();
    auto* const to = squares.data<double>();
    parallel_ranges(x.dim(0), 2 * x.numel(), [&](int64_t begin, int64_t end) {
      for (int64_t n = begin; n < end; ++n) {
        row_squares(to + 2 * n, now + n * x.stride(0), old + n * before.stride(0), columns);
      }
    });
  });
}

void argmax(Stream&, View index, ConstView x) {
  const int64_t columns = x.dim(1);
  with_float_type(x.dtype(), [&](auto tag) {
    using T = typename decltype(tag)::type;
    if constexpr (!std::is_same_v<T, BFloat16>) {
      const T* const data = x.data<T>();
      auto* const to = index.data<int32_t>();
      parallel_ranges(x.dim(0), x.numel(), [&](int64_t begin, int64_t end) {
        for (int64_t n = begin; n < end; ++n)
          to[n] = first_largest(data + n * x.stride(0), columns);
      });
    }
  });
}

void clip_scale(Stream&, View scale, ConstView sum_of_squares, double max_norm) {
  const double ratio = max_norm / (std::sqrt(sum_of_squares.data<double>()[0]) + 1e-6);
  // A NaN ratio stays: the update must not look like a clipped one.
  const double factor = max_norm == 0 || ratio >= 1 ? 1.0 : ratio;
  with_float_type(scale.dtype(), [&](auto tag) {
    using T = typename decltype(tag)::type;
    scale.data<T>()[0] = from_acc<T>(factor);
  });
}

LCKV_CPU_END
