#include "lckv/kernels/ops/adamw.h"

#include <cmath>

#include "lckv/test_support/compare.h"
#include "lckv/test_support/kernel_test.h"
#include "lckv/test_support/random_tensor.h"
#include "lckv/test_support/refusal.h"

namespace lckv {
namespace {

using test::expect_close;
using test::random_tensor;
using test::unit_roundoff;
using test::values_of;
using Values = std::vector<double>;

class AdamW : public test::KernelTest {};
INSTANTIATE_TEST_SUITE_P(Kernels, AdamW, test::every_dtype_and_table(), test::kernel_case_name);

struct State {
  Values w, m, v;
};

// The header's equations, in double, line by line.
void reference_update(State& state, const Values& g, double grad_scale, const ops::AdamWStep& s) {
  const auto i = static_cast<double>(s.step);
  for (size_t k = 0; k < g.size(); ++k) {
    const double gradient = g[k] * grad_scale;
    state.w[k] *= 1 - s.lr * s.weight_decay;
    state.m[k] = s.beta1 * state.m[k] + (1 - s.beta1) * gradient;
    state.v[k] = s.beta2 * state.v[k] + (1 - s.beta2) * gradient * gradient;
    const double m_hat = state.m[k] / (1 - std::pow(s.beta1, i));
    const double v_hat = state.v[k] / (1 - std::pow(s.beta2, i));
    state.w[k] -= s.lr * m_hat / (std::sqrt(v_hat) + s.eps);
  }
}

TEST_P(AdamW, TwentyStepsMatchTheLoopInDouble) {
  constexpr int kSteps = 20;
  const int64_t n = 1003;
  const bool has_master = dtype() == DType::kBF16;
  const Buffer master = random_tensor(sum_dtype(), {n}, 1), m(sum_dtype(), {n}),
               v(sum_dtype(), {n});
  const Buffer rounded(dtype(), {n});
  const View w = has_master ? rounded.view() : master.view();
  const double grad_scale = 0.5;
  const Buffer scale = test::tensor_of(sum_dtype(), {1}, {{grad_scale}});
  State expected{values_of(master.view()), Values(1003), Values(1003)};
  ops::AdamWStep step{.lr = 1e-2, .beta1 = 0.9, .beta2 = 0.95, .eps = 1e-8, .weight_decay = 0.1};
  for (step.step = 1; step.step <= kSteps; ++step.step) {
    const Buffer g = random_tensor(sum_dtype(), {n}, 10 + static_cast<uint64_t>(step.step));
    kernels().adamw_update(stream_, w, master.view(), m.view(), v.view(), g.view(), scale.view(),
                           step);
    reference_update(expected, values_of(g.view()), grad_scale, step);
  }

  // Each step rounds m and v some 4 times and the weight once; the direction is at most about 1 /
  // (1 - beta1) = 10, its relative error some 16 roundings plus those of m, which cancellation in m
  // sets against the size of the gradients (5).
  const double u = unit_roundoff(sum_dtype());
  Values w_tolerance, m_tolerance, v_tolerance;
  for (size_t k = 0; k < expected.w.size(); ++k) {
    w_tolerance.push_back(kSteps * u * (2 * std::fabs(expected.w[k]) + step.lr * 10 * 16 + 1));
    m_tolerance.push_back(kSteps * u * 4 * 5);
    v_tolerance.push_back(kSteps * u * 4 * 25);
  }
  expect_close(master.view(), expected.w, w_tolerance);
  expect_close(m.view(), expected.m, m_tolerance);
  expect_close(v.view(), expected.v, v_tolerance);
  if (has_master) {
    const Values rounded_once =
        values_of(test::tensor_of(dtype(), {n}, values_of(master.view())).view());
    EXPECT_EQ(values_of(w), rounded_once);
  }
}

TEST_P(AdamW, ZeroGradientAndNoDecayLeaveTheWeights) {
  const int64_t n = 100;
  const Buffer master = random_tensor(sum_dtype(), {n}, 1), rounded(dtype(), {n});
  const Buffer m(sum_dtype(), {n}), v(sum_dtype(), {n}), g(sum_dtype(), {n});
  const Buffer scale = test::tensor_of(sum_dtype(), {1}, {{1.0}});
  const View w = dtype() == DType::kBF16 ? rounded.view() : master.view();
  kernels().adamw_update(stream_, w, master.view(), m.view(), v.view(), g.view(), scale.view(),
                         {.lr = 1});
  EXPECT_TRUE(test::bit_equal(master.view(), random_tensor(sum_dtype(), {n}, 1).view()));
}

TEST(AdamWChecks, RefuseWrongArgumentsAndTouchNothing) {
  const Buffer w = random_tensor(DType::kF32, {6}, 1), m(DType::kF32, {6}), v(DType::kF32, {6});
  const Buffer g = random_tensor(DType::kF32, {6}, 2), scale(DType::kF32, {1});
  const Buffer half(DType::kBF16, {6}), few(DType::kF32, {5}), doubles(DType::kF64, {1});
  const Values before = values_of(w.view());
  Stream stream;
  const auto update = [&](View weights, View m_in, ConstView g_in, ConstView scale_in,
                          ops::AdamWStep step) {
    return [=, &stream, &w, &v] {
      ops::adamw_update(stream, weights, w.view(), m_in, v.view(), g_in, scale_in, step);
    };
  };
  test::expect_refusal<ShapeError>(update(w.view(), m.view(), few.view(), scale.view(), {}),
                                   "adamw_update: g must have shape [6], got f32[5]");
  test::expect_refusal<DTypeError>(update(w.view(), half.view(), g.view(), scale.view(), {}),
                                   "adamw_update: m must be f32, got bf16[6]");
  test::expect_refusal<DTypeError>(update(w.view(), m.view(), g.view(), doubles.view(), {}),
                                   "adamw_update: grad_scale must be f32, got f64[1]");
  test::expect_refusal<ShapeError>(update(m.view(), m.view(), g.view(), scale.view(), {}),
                                   "w and master must be the same memory unless w is bf16");
  test::expect_refusal<ShapeError>(update(w.view(), m.view(), m.view(), scale.view(), {}),
                                   "must not overlap");
  test::expect_refusal<ShapeError>(update(w.view(), v.view(), g.view(), scale.view(), {}),
                                   "must not overlap");
  test::expect_refusal<ShapeError>(update(w.view(), m.view(), g.view(), scale.view(), {.step = 0}),
                                   "step counts from 1, got 0");
  EXPECT_EQ(values_of(w.view()), before);
  EXPECT_EQ(values_of(m.view()), Values(6, 0.0));
}

}  // namespace
}  // namespace lckv
