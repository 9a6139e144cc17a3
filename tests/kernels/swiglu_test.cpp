#include "lckv/kernels/ops/swiglu.h"

#include <cmath>

#include "lckv/test_support/central_difference.h"
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

class Swiglu : public test::KernelTest {
 protected:
  // Relative, of a chain of at most 12 roundings and an exponential of 2 ulp; below it the smallest
  // normal number.
  double tolerance(double magnitude) const {
    return magnitude * (16 * unit_roundoff(sum_dtype()) + unit_roundoff(dtype())) + 0x1p-126;
  }
};
INSTANTIATE_TEST_SUITE_P(Kernels, Swiglu, test::every_dtype_and_table(), test::kernel_case_name);

double sigmoid(double x) { return 1 / (1 + std::exp(-x)); }

TEST_P(Swiglu, ForwardIsTheEquation) {
  for (const auto& [N, F] : {std::pair<int64_t, int64_t>{1, 1}, {3, 17}, {40, 515}}) {
    const Buffer gate_up = random_tensor(dtype(), {N, 2 * F}, 1, 4.0), act(dtype(), {N, F});
    kernels().swiglu_forward(stream_, act.view(), gate_up.view());
    const Values inputs = values_of(gate_up.view());
    Values expected, tolerances;
    for (int64_t n = 0; n < N; ++n) {
      for (int64_t f = 0; f < F; ++f) {
        const double gate = inputs[static_cast<size_t>(n * 2 * F + f)];
        const double up = inputs[static_cast<size_t>(n * 2 * F + F + f)];
        expected.push_back(gate * sigmoid(gate) * up);
        tolerances.push_back(tolerance(std::fabs(expected.back())));
      }
    }
    expect_close(act.view(), expected, tolerances);
  }
}

TEST_P(Swiglu, BackwardIsTheEquationAlsoInPlace) {
  const int64_t N = 9, F = 77;
  const Buffer gate_up = random_tensor(dtype(), {N, 2 * F}, 1, 3.0);
  const Buffer dact = random_tensor(dtype(), {N, F}, 2), dgate_up(dtype(), {N, 2 * F});
  const Values inputs = values_of(gate_up.view()), dacts = values_of(dact.view());
  kernels().swiglu_backward(stream_, dgate_up.view(), dact.view(), gate_up.view());
  Values expected(inputs.size()), tolerances(inputs.size());
  for (int64_t n = 0; n < N; ++n) {
    for (int64_t f = 0; f < F; ++f) {
      const auto at_gate = static_cast<size_t>(n * 2 * F + f);
      const auto at_up = at_gate + static_cast<size_t>(F);
      const double gate = inputs[at_gate], up = inputs[at_up], s = sigmoid(gate);
      const double d = dacts[static_cast<size_t>(n * F + f)];
      expected[at_gate] = d * up * s * (1 + gate * (1 - s));
      expected[at_up] = d * gate * s;
      tolerances[at_gate] = tolerance(std::fabs(d * up * s) * (1 + std::fabs(gate)));
      tolerances[at_up] = tolerance(std::fabs(expected[at_up]));
    }
  }
  expect_close(dgate_up.view(), expected, tolerances);
  kernels().swiglu_backward(stream_, gate_up.view(), dact.view(), gate_up.view());
  EXPECT_TRUE(test::bit_equal(gate_up.view(), dgate_up.view()));
}

TEST_P(Swiglu, LargeGatesSaturateWithoutNaN) {
  const Values gates = {-1e30, -1000, -100, -88, 0, 88, 100, 1000, 1e30};
  const auto F = static_cast<int64_t>(gates.size());
  Values inputs = gates;
  inputs.resize(2 * gates.size(), 1.0);
  const Buffer gate_up = test::tensor_of(dtype(), {1, 2 * F}, inputs), act(dtype(), {1, F});
  const Buffer dact = test::tensor_of(dtype(), {1, F}, Values(gates.size(), 1.0));
  const Buffer dgate_up(dtype(), {1, 2 * F});
  kernels().swiglu_forward(stream_, act.view(), gate_up.view());
  kernels().swiglu_backward(stream_, dgate_up.view(), dact.view(), gate_up.view());
  const Values acts = values_of(act.view()), slopes = values_of(dgate_up.view());
  const Values rounded = values_of(gate_up.view());
  for (size_t i = 0; i < gates.size(); ++i) {
    const double expected = gates[i] > 0 ? rounded[i] : 0;
    EXPECT_NEAR(acts[i], expected, std::fabs(expected) * unit_roundoff(dtype()) + 1e-35)
        << gates[i];
    EXPECT_NEAR(slopes[i], gates[i] > 0 ? 1 : (gates[i] < 0 ? 0 : 0.5), 1e-33) << gates[i];
    EXPECT_NEAR(slopes[i + gates.size()], expected,
                std::fabs(expected) * unit_roundoff(dtype()) + 1e-35)
        << gates[i];
  }
}

TEST(SwigluGradient, IsTheCentralDifference) {
  const int64_t N = 2, F = 7;
  const Buffer gate_up = random_tensor(DType::kF64, {N, 2 * F}, 1), act(DType::kF64, {N, F});
  const Buffer dact = random_tensor(DType::kF64, {N, F}, 2), dgate_up(DType::kF64, {N, 2 * F});
  Stream stream;
  const auto loss = [&] {
    ops::swiglu_forward(stream, act.view(), gate_up.view());
    const Values acts = values_of(act.view()), dacts = values_of(dact.view());
    double sum = 0;
    for (size_t i = 0; i < acts.size(); ++i) sum += acts[i] * dacts[i];
    return sum;
  };
  const Values slopes = test::central_difference(gate_up.view(), loss);
  ops::swiglu_backward(stream, dgate_up.view(), dact.view(), gate_up.view());
  expect_close(dgate_up.view(), slopes,
               Values(slopes.size(), test::central_difference_error(N * F, 10)));
}

TEST(SwigluChecks, RefuseWrongArgumentsAndTouchNothing) {
  const Buffer act(DType::kF32, {3, 4}), gate_up = random_tensor(DType::kF32, {3, 8}, 1);
  const Buffer narrow(DType::kF32, {3, 7}), half(DType::kBF16, {3, 8});
  Stream stream;
  const auto forward = [&](View to, ConstView from) {
    return [=, &stream] { ops::swiglu_forward(stream, to, from); };
  };
  test::expect_refusal<ShapeError>(forward(act.view(), narrow.view()),
                                   "swiglu_forward: gate_up must have shape [3, 8], got f32[3, 7]");
  test::expect_refusal<DTypeError>(forward(act.view(), half.view()),
                                   "swiglu_forward: gate_up must be f32, got bf16[3, 8]");
  const Buffer shared(DType::kF32, {24});
  test::expect_refusal<ShapeError>(
      forward(shared.view().slice(0, 0, 12).reshape({3, 4}), shared.view().reshape({3, 8})),
      "must not overlap");
  test::expect_refusal<ShapeError>(
      [&] {
        const Buffer memory(DType::kF32, {28});
        ops::swiglu_backward(stream, memory.view().slice(0, 0, 24).reshape({3, 8}), act.view(),
                             memory.view().slice(0, 4, 28).reshape({3, 8}));
      },
      "swiglu_backward: dgate_up");
  EXPECT_EQ(values_of(act.view()), Values(12, 0.0));
}

}  // namespace
}  // namespace lckv
