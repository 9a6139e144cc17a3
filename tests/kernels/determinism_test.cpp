#include <cmath>
#include <functional>
#include <span>

#include "lckv/kernels/cpu_threads.h"
#include "lckv/test_support/compare.h"
#include "lckv/test_support/kernel_test.h"
#include "lckv/test_support/random_tensor.h"
#include "lckv/test_support/refusal.h"

namespace lckv {
namespace {

using ops::GradMode;
using test::random_tensor;

// Large enough that every op starts its threads, and odd enough that the parts differ.
constexpr int64_t kRows = 517, kColumns = 203;

class Determinism : public test::KernelTest {
 protected:
  Determinism() : threads_before_(ops::cpu_threads()) {}
  ~Determinism() override { ops::set_cpu_threads(threads_before_); }

  // `run` allocates its outputs and returns the ones to compare.
  void expect_equal_bits(const std::function<std::vector<Buffer>()>& run) {
    ops::set_cpu_threads(1);
    const std::vector<Buffer> expected = run();
    for (const int threads : {1, 2, 3, 5}) {
      ops::set_cpu_threads(threads);
      const std::vector<Buffer> actual = run();
      ASSERT_EQ(actual.size(), expected.size());
      for (size_t i = 0; i < actual.size(); ++i) {
        EXPECT_TRUE(test::bit_equal(actual[i].view(), expected[i].view()))
            << "output " << i << " with " << threads << " threads";
      }
    }
  }

  template <class... Outputs>
  static std::vector<Buffer> list(Outputs&&... outputs) {
    std::vector<Buffer> result;
    (result.push_back(std::move(outputs)), ...);
    return result;
  }

  int threads_before_;
};
INSTANTIATE_TEST_SUITE_P(Kernels, Determinism, test::every_dtype_and_table(),
                         test::kernel_case_name);

TEST_P(Determinism, RmsNormDoesNotDependOnTheNumberOfThreads) {
  const Buffer x = random_tensor(dtype(), {kRows, kColumns}, 1);
  const Buffer w = random_tensor(dtype(), {kColumns}, 2);
  const Buffer dy = random_tensor(dtype(), {kRows, kColumns}, 3);
  expect_equal_bits([&] {
    Buffer y(dtype(), {kRows, kColumns}), rstd(sum_dtype(), {kRows});
    Buffer dx(sum_dtype(), {kRows, kColumns}), dw(sum_dtype(), {kColumns});
    kernels().rmsnorm_forward(stream_, y.view(), rstd.view(), x.view(), w.view(), 1e-5);
    kernels().rmsnorm_backward(stream_, dx.view(), dw.view(), dy.view(), x.view(), rstd.view(),
                               w.view(), GradMode::kOverwrite, GradMode::kAccumulate);
    return list(y, rstd, dx, dw);
  });
}

TEST_P(Determinism, RopeAndSwigluDoNotDependOnTheNumberOfThreads) {
  const int64_t width = 14;
  const Buffer positions = test::random_tokens({kRows}, 30, 2);
  const Buffer gate_up = random_tensor(dtype(), {kRows, 2 * kColumns}, 3);
  const Buffer dact = random_tensor(dtype(), {kRows, kColumns}, 4);
  expect_equal_bits([&] {
    Buffer x = random_tensor(dtype(), {kRows, 7, width}, 1);
    Buffer cos(sum_dtype(), {30, width / 2}), sin(sum_dtype(), {30, width / 2});
    Buffer act(dtype(), {kRows, kColumns}), dgate_up(dtype(), {kRows, 2 * kColumns});
    kernels().rope_tables(stream_, cos.view(), sin.view(), 1e4);
    kernels().rope_forward(stream_, x.view(), cos.view(), sin.view(), positions.view());
    kernels().swiglu_forward(stream_, act.view(), gate_up.view());
    kernels().swiglu_backward(stream_, dgate_up.view(), dact.view(), gate_up.view());
    return list(x, cos, sin, act, dgate_up);
  });
}

TEST_P(Determinism, EmbeddingDoesNotDependOnTheNumberOfThreads) {
  const Buffer w = random_tensor(dtype(), {50, kColumns}, 1);
  const Buffer tokens = test::random_tokens({kRows}, 50, 2);
  const Buffer dy = random_tensor(sum_dtype(), {kRows, kColumns}, 3);
  expect_equal_bits([&] {
    Buffer y(dtype(), {kRows, kColumns}), dw = random_tensor(sum_dtype(), {50, kColumns}, 4);
    kernels().embedding_forward(stream_, y.view(), w.view(), tokens.view(), 0);
    kernels().embedding_backward(stream_, dw.view(), dy.view(), tokens.view(),
                                 GradMode::kAccumulate, 0);
    return list(y, dw);
  });
}

TEST_P(Determinism, CrossEntropyDoesNotDependOnTheNumberOfThreads) {
  const Buffer logits = random_tensor(sum_dtype(), {kRows, kColumns}, 1);
  const Buffer targets = test::random_tokens({kRows}, kColumns, 2);
  expect_equal_bits([&] {
    Buffer nll(sum_dtype(), {kRows}), dlogits(dtype(), {kRows, kColumns});
    kernels().cross_entropy_forward_backward(stream_, nll.view(), dlogits.view(), logits.view(),
                                             targets.view(), test::scalar_of(0.25).view());
    return list(nll, dlogits);
  });
}

TEST_P(Determinism, CrossEntropyInPartsDoesNotDependOnTheNumberOfThreads) {
  const Buffer logits = random_tensor(sum_dtype(), {kRows, kColumns}, 1);
  const Buffer targets = test::random_tokens({kRows}, 2 * kColumns, 2);
  // More parts than the loss of these rows needs, so that the join starts its threads too.
  const int64_t R = 24;
  const Buffer parts = random_tensor(DType::kF64, {R, 3, kRows}, 3);
  for (double& value : std::span(parts.view().data<double>(), static_cast<size_t>(R * 3 * kRows))) {
    value = std::fabs(value);
  }
  const ops::VocabularyPart vocabulary{.first_token = 100, .columns = kColumns - 2};
  expect_equal_bits([&] {
    Buffer part(DType::kF64, {3, kRows}), total(DType::kF64, {2, kRows});
    Buffer nll(sum_dtype(), {kRows}), dlogits(dtype(), {kRows, kColumns});
    kernels().cross_entropy_part(stream_, part.view(), logits.view(), targets.view(), vocabulary);
    kernels().cross_entropy_join(stream_, nll.view(), total.view(), parts.view(), targets.view());
    kernels().cross_entropy_part_backward(stream_, dlogits.view(), logits.view(), total.view(),
                                          targets.view(), vocabulary, test::scalar_of(0.25).view());
    return list(part, total, nll, dlogits);
  });
}

TEST_P(Determinism, AdamWDoesNotDependOnTheNumberOfThreads) {
  const int64_t n = kRows * kColumns;
  const Buffer g = random_tensor(sum_dtype(), {n}, 1);
  const Buffer scale = test::tensor_of(sum_dtype(), {1}, {{0.3}});
  expect_equal_bits([&] {
    Buffer master = random_tensor(sum_dtype(), {n}, 3), m = random_tensor(sum_dtype(), {n}, 2);
    Buffer v(sum_dtype(), {n}), rounded(dtype(), {n});
    const View w = dtype() == DType::kBF16 ? rounded.view() : master.view();
    kernels().adamw_update(stream_, w, master.view(), m.view(), v.view(), g.view(), scale.view(),
                           {.lr = 0.1, .weight_decay = 0.1, .step = 7});
    return list(master, m, v, rounded);
  });
}

TEST_P(Determinism, SumsAndCopiesDoNotDependOnTheNumberOfThreads) {
  const int64_t n = kRows * kColumns;
  const Buffer x = random_tensor(dtype(), {n}, 1);
  expect_equal_bits([&] {
    Buffer sum(DType::kF64, {1}), squares(DType::kF64, {1}), cast(DType::kF32, {n});
    Buffer added = random_tensor(dtype(), {n}, 2), changes(DType::kF64, {kRows, 2});
    kernels().sum(stream_, sum.view(), x.view(), GradMode::kOverwrite);
    kernels().sum_of_squares(stream_, squares.view(), x.view(), GradMode::kOverwrite);
    kernels().row_changes(stream_, changes.view(), x.view().reshape({kRows, kColumns}),
                          added.view().reshape({kRows, kColumns}));
    kernels().copy(stream_, cast.view(), x.view());
    kernels().add(stream_, added.view(), x.view());
    return list(sum, squares, changes, cast, added);
  });
}

TEST(CpuThreads, AreAsManyAsWereSet) {
  const int before = ops::cpu_threads();
  ops::set_cpu_threads(3);
  EXPECT_EQ(ops::cpu_threads(), 3);
  ops::set_cpu_threads(before);
  test::expect_refusal<ConfigError>([] { ops::set_cpu_threads(0); }, "at least 1, got 0");
  EXPECT_EQ(ops::cpu_threads(), before);
}

}  // namespace
}  // namespace lckv
