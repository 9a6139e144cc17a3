#include "lckv/kernels/ops/rmsnorm.h"

#include <cmath>

#include "lckv/test_support/central_difference.h"
#include "lckv/test_support/compare.h"
#include "lckv/test_support/kernel_test.h"
#include "lckv/test_support/random_tensor.h"
#include "lckv/test_support/refusal.h"

namespace lckv {
namespace {

using ops::GradMode;
using test::expect_close;
using test::random_tensor;
using test::unit_roundoff;
using test::values_of;
using Values = std::vector<double>;

constexpr double kEps = 1e-5;

class RmsNorm : public test::KernelTest {};
INSTANTIATE_TEST_SUITE_P(Kernels, RmsNorm, test::every_dtype_and_table(), test::kernel_case_name);

Values reference_rstd(const Values& x, size_t N, size_t C) {
  Values rstd(N);
  for (size_t n = 0; n < N; ++n) {
    double sum = 0;
    for (size_t c = 0; c < C; ++c) sum += x[n * C + c] * x[n * C + c];
    rstd[n] = 1 / std::sqrt(sum / static_cast<double>(C) + kEps);
  }
  return rstd;
}

// Relative error of rstd: the sum's, halved by the root, and the roundings of division and root.
double rstd_error(int64_t C, DType sum_dtype) {
  return (0.5 * static_cast<double>(C) + 3) * unit_roundoff(sum_dtype);
}

TEST_P(RmsNorm, ForwardIsTheEquation) {
  for (const auto& [N, C] : {std::pair<int64_t, int64_t>{1, 1}, {3, 7}, {5, 64}, {33, 515}}) {
    const Buffer x = random_tensor(dtype(), {N, C}, 1, 3.0), w = random_tensor(dtype(), {C}, 2);
    const Buffer y(dtype(), {N, C}), rstd(sum_dtype(), {N});
    kernels().rmsnorm_forward(stream_, y.view(), rstd.view(), x.view(), w.view(), kEps);

    const Values xs = values_of(x.view()), ws = values_of(w.view());
    const Values expected_rstd = reference_rstd(xs, static_cast<size_t>(N), static_cast<size_t>(C));
    Values expected, tolerance, rstd_tolerance;
    const double relative =
        rstd_error(C, sum_dtype()) + 2 * unit_roundoff(sum_dtype()) + 2 * unit_roundoff(dtype());
    for (size_t i = 0; i < xs.size(); ++i) {
      const auto columns = static_cast<size_t>(C);
      expected.push_back(ws[i % columns] * xs[i] * expected_rstd[i / columns]);
      tolerance.push_back(std::fabs(expected.back()) * relative);
    }
    for (const double value : expected_rstd) {
      rstd_tolerance.push_back(value * rstd_error(C, sum_dtype()));
    }
    expect_close(y.view(), expected, tolerance);
    expect_close(rstd.view(), expected_rstd, rstd_tolerance);
  }
}

TEST_P(RmsNorm, BackwardIsTheEquation) {
  for (const auto& [N, C] : {std::pair<int64_t, int64_t>{1, 3}, {70, 33}, {40, 512}}) {
    const Buffer x = random_tensor(dtype(), {N, C}, 1), w = random_tensor(dtype(), {C}, 2);
    const Buffer dy = random_tensor(dtype(), {N, C}, 3), y(dtype(), {N, C});
    const Buffer rstd(sum_dtype(), {N}), dx(sum_dtype(), {N, C}), dw(sum_dtype(), {C});
    kernels().rmsnorm_forward(stream_, y.view(), rstd.view(), x.view(), w.view(), kEps);
    kernels().rmsnorm_backward(stream_, dx.view(), dw.view(), dy.view(), x.view(), rstd.view(),
                               w.view(), GradMode::kOverwrite, GradMode::kOverwrite);

    const Values xs = values_of(x.view()), ws = values_of(w.view()), dys = values_of(dy.view());
    const Values rstds = values_of(rstd.view());
    const double u = unit_roundoff(sum_dtype());
    const auto columns = static_cast<size_t>(C);
    Values expected_dx, dx_tolerance, expected_dw(columns), dw_magnitude(columns);
    for (size_t n = 0; n < static_cast<size_t>(N); ++n) {
      double dot = 0, dot_magnitude = 0;
      for (size_t c = 0; c < columns; ++c) {
        const size_t i = n * columns + c;
        dot += ws[c] * dys[i] * xs[i];
        dot_magnitude += std::fabs(ws[c] * dys[i] * xs[i]);
        expected_dw[c] += dys[i] * xs[i] * rstds[n];
        dw_magnitude[c] += std::fabs(dys[i] * xs[i] * rstds[n]);
      }
      const double r = rstds[n], mean = r * r / static_cast<double>(C);
      for (size_t c = 0; c < columns; ++c) {
        const size_t i = n * columns + c;
        expected_dx.push_back(r * (ws[c] * dys[i] - xs[i] * mean * dot));
        dx_tolerance.push_back(
            r * u *
            (4 * std::fabs(ws[c] * dys[i]) +
             std::fabs(xs[i]) * mean * dot_magnitude * (static_cast<double>(C) + 8)));
      }
    }
    Values dw_tolerance;
    for (const double magnitude : dw_magnitude) {
      dw_tolerance.push_back(magnitude * u * (static_cast<double>(N) + 3));
    }
    expect_close(dx.view(), expected_dx, dx_tolerance);
    expect_close(dw.view(), expected_dw, dw_tolerance);
  }
}

TEST_P(RmsNorm, AccumulatingAddsToWhatWasThere) {
  const int64_t N = 70, C = 33;
  const Buffer x = random_tensor(dtype(), {N, C}, 1), w = random_tensor(dtype(), {C}, 2);
  const Buffer dy = random_tensor(dtype(), {N, C}, 3), rstd = random_tensor(sum_dtype(), {N}, 4);
  const Buffer new_dx(sum_dtype(), {N, C}), new_dw(sum_dtype(), {C});
  const Buffer dx = random_tensor(sum_dtype(), {N, C}, 5), dw = random_tensor(sum_dtype(), {C}, 6);
  const Values old_dx = values_of(dx.view()), old_dw = values_of(dw.view());
  kernels().rmsnorm_backward(stream_, new_dx.view(), new_dw.view(), dy.view(), x.view(),
                             rstd.view(), w.view(), GradMode::kOverwrite, GradMode::kOverwrite);
  kernels().rmsnorm_backward(stream_, dx.view(), dw.view(), dy.view(), x.view(), rstd.view(),
                             w.view(), GradMode::kAccumulate, GradMode::kAccumulate);

  const auto expect_sum = [&](const ConstView& actual, const Values& before, const ConstView& added,
                              double roundings) {
    Values expected = values_of(added), tolerance;
    for (size_t i = 0; i < expected.size(); ++i) {
      tolerance.push_back((std::fabs(expected[i]) + std::fabs(before[i]) + 1) * roundings *
                          unit_roundoff(sum_dtype()));
      expected[i] += before[i];
    }
    expect_close(actual, expected, tolerance);
  };
  expect_sum(dx.view(), old_dx, new_dx.view(), 4);
  expect_sum(dw.view(), old_dw, new_dw.view(), 4);
}

TEST_P(RmsNorm, ARowOfZerosGivesZeros) {
  const int64_t C = 20;
  const Buffer x(dtype(), {2, C}), w = random_tensor(dtype(), {C}, 2), y(dtype(), {2, C});
  const Buffer dy = random_tensor(dtype(), {2, C}, 3);
  const Buffer rstd(sum_dtype(), {2}), dx(sum_dtype(), {2, C}), dw(sum_dtype(), {C});
  kernels().rmsnorm_forward(stream_, y.view(), rstd.view(), x.view(), w.view(), kEps);
  kernels().rmsnorm_backward(stream_, dx.view(), dw.view(), dy.view(), x.view(), rstd.view(),
                             w.view(), GradMode::kOverwrite, GradMode::kOverwrite);
  EXPECT_EQ(values_of(y.view()), Values(40, 0.0));
  EXPECT_EQ(values_of(dw.view()), Values(20, 0.0));
  for (const double value : values_of(dx.view())) EXPECT_TRUE(std::isfinite(value));
}

TEST_P(RmsNorm, NoRowsLeaveAZeroGainGradient) {
  const Buffer x(dtype(), {0, 4}), w = random_tensor(dtype(), {4}, 2), rstd(sum_dtype(), {0});
  const Buffer dx(sum_dtype(), {0, 4}), dw = random_tensor(sum_dtype(), {4}, 3);
  kernels().rmsnorm_forward(stream_, x.view(), rstd.view(), x.view(), w.view(), kEps);
  kernels().rmsnorm_backward(stream_, dx.view(), dw.view(), x.view(), x.view(), rstd.view(),
                             w.view(), GradMode::kOverwrite, GradMode::kOverwrite);
  EXPECT_EQ(values_of(dw.view()), Values(4, 0.0));
}

TEST(RmsNormGradient, IsTheCentralDifference) {
  const int64_t N = 3, C = 10;
  const Buffer x = random_tensor(DType::kF64, {N, C}, 1), w = random_tensor(DType::kF64, {C}, 2);
  const Buffer dy = random_tensor(DType::kF64, {N, C}, 3), y(DType::kF64, {N, C});
  const Buffer rstd(DType::kF64, {N}), dx(DType::kF64, {N, C}), dw(DType::kF64, {C});
  Stream stream;
  const auto loss = [&] {
    ops::rmsnorm_forward(stream, y.view(), rstd.view(), x.view(), w.view(), kEps);
    const Values ys = values_of(y.view()), dys = values_of(dy.view());
    double sum = 0;
    for (size_t i = 0; i < ys.size(); ++i) sum += ys[i] * dys[i];
    return sum;
  };
  const Values slope_x = test::central_difference(x.view(), loss);
  const Values slope_w = test::central_difference(w.view(), loss);
  const double tolerance = test::central_difference_error(N * C, 100);
  loss();
  ops::rmsnorm_backward(stream, dx.view(), dw.view(), dy.view(), x.view(), rstd.view(), w.view(),
                        GradMode::kOverwrite, GradMode::kOverwrite);
  expect_close(dx.view(), slope_x, Values(slope_x.size(), tolerance));
  expect_close(dw.view(), slope_w, Values(slope_w.size(), tolerance));
}

TEST(RmsNormChecks, RefuseWrongArgumentsAndTouchNothing) {
  const Buffer x = random_tensor(DType::kF32, {4, 8}, 1), w = random_tensor(DType::kF32, {8}, 2);
  const Buffer y(DType::kF32, {4, 8}), rstd(DType::kF32, {4}), narrow(DType::kF32, {7});
  const Buffer half(DType::kBF16, {8}), dw(DType::kF32, {8}), square(DType::kF32, {8, 4});
  Stream stream;
  const auto forward = [&](View y_in, View rstd_in, ConstView x_in, ConstView w_in, double eps) {
    return [=, &stream] { ops::rmsnorm_forward(stream, y_in, rstd_in, x_in, w_in, eps); };
  };
  const Buffer wide(DType::kF32, {4, 16});
  test::expect_refusal<ShapeError>(forward(y.view(), rstd.view(), x.view(), narrow.view(), kEps),
                                   "rmsnorm_forward: w must have shape [8], got f32[7]");
  test::expect_refusal<DTypeError>(forward(y.view(), rstd.view(), x.view(), half.view(), kEps),
                                   "rmsnorm_forward: w must be f32, got bf16[8]");
  test::expect_refusal<ShapeError>(forward(square.view(), rstd.view(), x.view(), w.view(), kEps),
                                   "rmsnorm_forward: y must have shape [4, 8]");
  test::expect_refusal<ShapeError>(forward(y.view(), View(), x.view(), w.view(), kEps),
                                   "rmsnorm_forward: rstd is missing");
  test::expect_refusal<ShapeError>(forward(x.view(), rstd.view(), x.view(), w.view(), kEps),
                                   "must not overlap");
  test::expect_refusal<ShapeError>(forward(y.view(), rstd.view(), x.view(), w.view(), 0.0),
                                   "eps must be positive, got 0");
  test::expect_refusal<ShapeError>(
      forward(y.view(), rstd.view(), wide.view().slice(1, 0, 8), w.view(), kEps),
      "must be contiguous");
  EXPECT_EQ(values_of(y.view()), Values(32, 0.0));
  EXPECT_EQ(values_of(rstd.view()), Values(4, 0.0));

  const auto backward = [&](View dx, View gain, ConstView dy) {
    return [=, &stream, &x, &rstd, &w] {
      ops::rmsnorm_backward(stream, dx, gain, dy, x.view(), rstd.view(), w.view(),
                            GradMode::kOverwrite, GradMode::kOverwrite);
    };
  };
  test::expect_refusal<ShapeError>(backward(y.view(), narrow.view(), x.view()),
                                   "rmsnorm_backward: dw must have shape [8]");
  test::expect_refusal<DTypeError>(backward(y.view(), half.view(), x.view()),
                                   "rmsnorm_backward: dw must be f32");
  test::expect_refusal<ShapeError>(backward(y.view(), dw.view(), y.view()), "must not overlap");
  EXPECT_EQ(values_of(y.view()), Values(32, 0.0));
}

}  // namespace
}  // namespace lckv
