#include "lckv/kernels/ops/matmul.h"

#include <cmath>

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "lckv/base/text.h"
#include "lckv/kernels/cpu_threads.h"
#include "lckv/test_support/compare.h"
#include "lckv/test_support/random_tensor.h"

namespace lckv {
namespace {

using ops::GradMode;
using test::random_tensor;
using test::values_of;

constexpr DType kDTypes[] = {DType::kF64, DType::kF32, DType::kBF16};

/// A B (+ added) as it must be: A by rows, B by columns.
struct Product {
  int64_t rows, cols, sums;
  std::vector<double> a;      // [rows, sums]
  std::vector<double> b;      // [cols, sums]
  std::vector<double> added;  // [rows, cols] or empty
};

/// `actual` is the product in its dtype: within n eps of the size of the terms, plus the rounding
/// of the result.
void expect_product(const ConstView& actual, DType in, const Product& product) {
  const double eps = 2.0 * test::unit_roundoff(accumulator(in));
  const double stored = test::unit_roundoff(actual.dtype());
  const std::vector<double> values = values_of(actual);
  for (int64_t r = 0; r < product.rows; ++r) {
    for (int64_t c = 0; c < product.cols; ++c) {
      const auto at = static_cast<size_t>(r * product.cols + c);
      const double* a = product.a.data() + r * product.sums;
      const double* b = product.b.data() + c * product.sums;
      double sum = product.added.empty() ? 0.0 : product.added[at];
      double size = std::fabs(sum);
      for (int64_t i = 0; i < product.sums; ++i) {
        sum += a[i] * b[i];
        size += std::fabs(a[i] * b[i]);
      }
      const double tolerance =
          (static_cast<double>(product.sums) + 2.0) * eps * size + stored * std::fabs(sum);
      ASSERT_NEAR(values[at], sum, tolerance) << r << ", " << c;
    }
  }
}

std::vector<double> by_rows(const ConstView& view) { return values_of(view); }

std::vector<double> by_columns(const ConstView& view) {
  const std::vector<double> values = values_of(view);
  std::vector<double> result;
  for (int64_t c = 0; c < view.dim(1); ++c) {
    for (int64_t r = 0; r < view.dim(0); ++r) {
      result.push_back(values[static_cast<size_t>(r * view.dim(1) + c)]);
    }
  }
  return result;
}

struct Sizes {
  int64_t N, O, K;
};
constexpr Sizes kSizes[] = {{1, 1, 1},   {1, 17, 3},    {3, 1, 129},   {17, 3, 64},
                            {8, 16, 32}, {129, 65, 33}, {64, 128, 256}};

/// A [rows, cols] view with a gap after every row when `strided`.
struct Matrix {
  Matrix(DType dtype, int64_t rows, int64_t cols, uint64_t seed, bool strided)
      : buffer(random_tensor(dtype, {rows, cols + (strided ? 5 : 0)}, seed)),
        view(buffer.view().slice(1, 0, cols)) {}
  Buffer buffer;
  View view;
};

template <class F>
void for_all(const F& f) {
  for (const DType dtype : kDTypes) {
    for (const Sizes& sizes : kSizes) {
      for (const bool strided : {false, true}) {
        SCOPED_TRACE(format("{} N {} O {} K {}{}", name(dtype), sizes.N, sizes.O, sizes.K,
                            strided ? " strided" : ""));
        f(dtype, sizes, strided);
      }
    }
  }
}

TEST(Matmul, ForwardIsXTimesWTransposed) {
  for_all([](DType dtype, const Sizes& s, bool strided) {
    const Matrix x(dtype, s.N, s.K, 1, strided), w(dtype, s.O, s.K, 2, strided);
    for (const DType out : {dtype, accumulator(dtype)}) {
      const Matrix y(out, s.N, s.O, 3, strided);
      Stream stream;
      ops::matmul_forward(stream, y.view, x.view, w.view);
      expect_product(y.view, dtype, {s.N, s.O, s.K, by_rows(x.view), by_rows(w.view), {}});
    }
  });
}

TEST(Matmul, AddForwardAddsTheResidualBeforeTheOneRounding) {
  for_all([](DType dtype, const Sizes& s, bool strided) {
    const Matrix x(dtype, s.N, s.K, 1, strided), w(dtype, s.O, s.K, 2, strided);
    const Matrix y(dtype, s.N, s.O, 3, strided), residual(dtype, s.N, s.O, 4, strided);
    Stream stream;
    ops::matmul_add_forward(stream, y.view, x.view, w.view, residual.view);
    expect_product(y.view, dtype,
                   {s.N, s.O, s.K, by_rows(x.view), by_rows(w.view), values_of(residual.view)});
  });
}

// The product vanishes beside the residual's last bit if it is rounded first, and moves it if it is
// not.
TEST(Matmul, AddForwardRoundsOnceInBf16) {
  const std::vector<double> one = {1.0}, x = {0.0078125 / 2.0 * 1.0078125}, w = {1.0};
  const Buffer residual = test::tensor_of(DType::kBF16, {1, 1}, one);
  const Buffer x_tensor = test::tensor_of(DType::kBF16, {1, 1}, x);
  const Buffer w_tensor = test::tensor_of(DType::kBF16, {1, 1}, w);
  const Buffer y(DType::kBF16, {1, 1});
  Stream stream;
  ops::matmul_add_forward(stream, y.view(), x_tensor.view(), w_tensor.view(), residual.view());
  EXPECT_EQ(values_of(y.view())[0], 1.0078125);
}

TEST(Matmul, BackwardInputIsDyTimesW) {
  for_all([](DType dtype, const Sizes& s, bool strided) {
    const Matrix dy(dtype, s.N, s.O, 1, strided), w(dtype, s.O, s.K, 2, strided);
    for (const DType out : {dtype, accumulator(dtype)}) {
      for (const GradMode mode : {GradMode::kOverwrite, GradMode::kAccumulate}) {
        const Matrix dx(out, s.N, s.K, 3, strided);
        const std::vector<double> before =
            mode == GradMode::kAccumulate ? values_of(dx.view) : std::vector<double>{};
        Stream stream;
        ops::matmul_backward_input(stream, dx.view, dy.view, w.view, mode);
        expect_product(dx.view, dtype,
                       {s.N, s.K, s.O, by_rows(dy.view), by_columns(w.view), before});
      }
    }
  });
}

TEST(Matmul, BackwardWeightIsDyTransposedTimesX) {
  for_all([](DType dtype, const Sizes& s, bool strided) {
    const Matrix dy(dtype, s.N, s.O, 1, strided), x(dtype, s.N, s.K, 2, strided);
    for (const GradMode mode : {GradMode::kOverwrite, GradMode::kAccumulate}) {
      const Matrix dw(accumulator(dtype), s.O, s.K, 3, strided);
      const std::vector<double> before =
          mode == GradMode::kAccumulate ? values_of(dw.view) : std::vector<double>{};
      Stream stream;
      ops::matmul_backward_weight(stream, dw.view, dy.view, x.view, mode);
      expect_product(dw.view, dtype,
                     {s.O, s.K, s.N, by_columns(dy.view), by_columns(x.view), before});
    }
  });
}

TEST(Matmul, SurvivesTheBf16DepthThatOneDnnCannotMultiplyInSeveralThreads) {
  const int before = ops::cpu_threads();
  ops::set_cpu_threads(2);
  Stream stream;
  for (const int64_t n : {16, 33, 48, 123}) {
    for (const int64_t o : {80, 81, 280}) {
      const Buffer x = random_tensor(DType::kBF16, {n, 63}, 1);
      const Buffer w = random_tensor(DType::kBF16, {o, 63}, 2);
      const Buffer y(DType::kBF16, {n, o});
      ops::matmul_forward(stream, y.view(), x.view(), w.view());
      expect_product(y.view(), DType::kBF16, {n, o, 63, by_rows(x.view()), by_rows(w.view()), {}});
    }
  }
  ops::set_cpu_threads(before);
}

TEST(Matmul, OfNoRowsDoesNothingButClearAnOverwrittenWeightGradient) {
  for (const DType dtype : kDTypes) {
    const Buffer none_k(dtype, {0, 4}), none_o(dtype, {0, 3}), w = random_tensor(dtype, {3, 4}, 1);
    const Buffer dw = random_tensor(accumulator(dtype), {3, 4}, 2);
    const std::vector<double> before = values_of(dw.view());
    Stream stream;
    ops::matmul_forward(stream, none_o.view(), none_k.view(), w.view());
    ops::matmul_add_forward(stream, none_o.view(), none_k.view(), w.view(), none_o.view());
    ops::matmul_backward_input(stream, none_k.view(), none_o.view(), w.view(),
                               GradMode::kOverwrite);
    ops::matmul_backward_weight(stream, dw.view(), none_o.view(), none_k.view(),
                                GradMode::kAccumulate);
    EXPECT_EQ(values_of(dw.view()), before);
    ops::matmul_backward_weight(stream, dw.view(), none_o.view(), none_k.view(),
                                GradMode::kOverwrite);
    EXPECT_THAT(values_of(dw.view()), testing::Each(0.0));
  }
}

TEST(Matmul, IsBitEqualOnRepetition) {
  const int before = ops::cpu_threads();
  for (const DType dtype : kDTypes) {
    for (const int threads : {1, 2, 3}) {
      ops::set_cpu_threads(threads);
      const Buffer dy = random_tensor(dtype, {1000, 24}, 1),
                   x = random_tensor(dtype, {1000, 40}, 2);
      const Buffer dw(accumulator(dtype), {24, 40});
      Stream stream;
      std::vector<double> first;
      for (int time = 0; time < 3; ++time) {
        ops::matmul_backward_weight(stream, dw.view(), dy.view(), x.view(), GradMode::kOverwrite);
        if (first.empty()) first = values_of(dw.view());
        EXPECT_TRUE(values_of(dw.view()) == first) << name(dtype) << " threads " << threads;
      }
    }
  }
  ops::set_cpu_threads(before);
}

TEST(Matmul, DoesNotReadWhatItOverwrites) {
  for (const DType dtype : kDTypes) {
    const Buffer x = random_tensor(dtype, {5, 7}, 1), w = random_tensor(dtype, {6, 7}, 2);
    const std::vector<double> nan(30, std::nan(""));
    const Buffer y = test::tensor_of(dtype, {5, 6}, nan);
    Stream stream;
    ops::matmul_forward(stream, y.view(), x.view(), w.view());
    EXPECT_THAT(values_of(y.view()), testing::Each(testing::Not(testing::IsNan())));
  }
}

TEST(Matmul, NamesTheArgumentThatDoesNotFit) {
  const Buffer x(DType::kF32, {2, 3}), w(DType::kF32, {4, 5}), y(DType::kF32, {2, 4});
  Stream stream;
  try {
    ops::matmul_forward(stream, y.view(), x.view(), w.view());
    FAIL();
  } catch (const ShapeError& error) {
    EXPECT_THAT(error.what(), testing::HasSubstr("matmul_forward: w must have shape [4, 3]"));
  }
  const Buffer doubles(DType::kF64, {4, 3});
  EXPECT_THROW(ops::matmul_forward(stream, y.view(), x.view(), doubles.view()), DTypeError);
}

}  // namespace
}  // namespace lckv
