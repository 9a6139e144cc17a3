#include "lckv/kernels/ops/attention.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "attention_problem.h"
#include "lckv/kernels/cpu_threads.h"
#include "lckv/test_support/kernel_test.h"

namespace lckv {
namespace {

using ops::GradMode;
using test::answer;
using test::AttentionAnswer;
using test::AttentionProblem;
using test::expect_near;
using test::values_of;

constexpr DType kDTypes[] = {DType::kF64, DType::kF32, DType::kBF16};
constexpr double kInfinity = std::numeric_limits<double>::infinity();

void check_forward(const AttentionProblem& problem, const AttentionAnswer& expected) {
  problem.forward();
  expect_near(problem.out.view(), expected.out, expected.out_tolerance, "out");
  expect_near(problem.lse.view(), expected.lse, expected.lse_tolerance, "lse");
}

void check_backward(const AttentionProblem& problem, const AttentionAnswer& expected) {
  problem.backward();
  expect_near(problem.dq.view(), expected.dq, expected.dq_tolerance, "dq");
  expect_near(problem.dk.view(), expected.dk, expected.dk_tolerance, "dk");
  expect_near(problem.dv.view(), expected.dv, expected.dv_tolerance, "dv");
  const std::vector<double> dq = values_of(problem.dq.view());
  test::fill_nan(problem.dq.view());
  problem.backward_queries();
  EXPECT_EQ(values_of(problem.dq.view()), dq) << "dq alone";
}

void check(AttentionProblem problem) {
  const AttentionAnswer expected = answer(problem);
  for (const ops::KernelTable* kernels : test::kernel_tables()) {
    SCOPED_TRACE(kernels->name);
    problem.kernels = kernels;
    check_forward(problem, expected);
    check_backward(problem, expected);
  }
}

TEST(Attention, EqualsItsDefinitionForEveryHeadWidth) {
  for (const DType dtype : kDTypes) {
    for (const int64_t width : {2, 8, 16, 64, 80, 128}) {
      SCOPED_TRACE(format("{} D {}", name(dtype), width));
      check(AttentionProblem({.B = 2, .Tq = 33, .Tk = 33, .Hq = 4, .Hkv = 2, .D = width}, dtype));
    }
  }
}

TEST(Attention, EqualsItsDefinitionForOddLengths) {
  for (const DType dtype : kDTypes) {
    for (const int64_t tokens : {1, 3, 17, 129, 257}) {
      SCOPED_TRACE(format("{} T {}", name(dtype), tokens));
      check(AttentionProblem({.B = 1, .Tq = tokens, .Tk = tokens, .Hq = 3, .Hkv = 3}, dtype));
    }
  }
}

TEST(Attention, EqualsItsDefinitionForEveryGroupOfHeads) {
  for (const DType dtype : kDTypes) {
    for (const int64_t heads : {1, 2, 3, 8, 150}) {
      SCOPED_TRACE(format("{} Hq {}", name(dtype), heads));
      check(AttentionProblem({.B = 1, .Tq = 21, .Tk = 21, .Hq = heads, .Hkv = 1, .D = 4}, dtype));
    }
  }
}

// More keys than one key block, more queries than one task takes.
TEST(Attention, EqualsItsDefinitionOverSeveralBlocks) {
  for (const DType dtype : kDTypes) {
    for (const int64_t window : {0, 600}) {
      SCOPED_TRACE(format("{} window {}", name(dtype), window));
      AttentionProblem problem({.B = 1, .Tq = 1090, .Tk = 1090, .Hq = 2, .Hkv = 1, .D = 4}, dtype);
      problem.mask.window_tokens = window;
      problem.mask.strict = true;
      check(std::move(problem));
    }
  }
}

TEST(Attention, EqualsItsDefinitionUnderEveryCombinationOfMasks) {
  for (const DType dtype : kDTypes) {
    for (int bits = 0; bits < 32; ++bits) {
      SCOPED_TRACE(format("{} masks {}", name(dtype), bits));
      AttentionProblem problem({.B = 2, .Tq = 37, .Tk = 50, .Hq = 2, .Hkv = 1}, dtype);
      problem.mask.strict = (bits & 1) != 0;
      problem.mask.window_tokens = (bits & 2) != 0 ? 5 : 0;
      problem.mask.query_offset = (bits & 4) != 0 ? 13 : 0;
      if ((bits & 8) != 0) {
        std::vector<int32_t> first_key;
        for (int32_t b = 0; b < 2; ++b) {
          for (int32_t i = 0; i < 37; ++i) first_key.push_back(i < 9 ? 0 : i < 20 ? 9 + b : 20);
        }
        problem.set_first_key(first_key);
      }
      if ((bits & 16) != 0) problem.set_key_lengths({23, 0});
      check(std::move(problem));
    }
  }
}

TEST(Attention, SeesTheWindowAndOneMoreWithTheDiagonal) {
  for (const DType dtype : kDTypes) {
    for (const bool strict : {false, true}) {
      AttentionProblem problem({.B = 1, .Tq = 9, .Tk = 9}, dtype);
      problem.mask.window_tokens = 3;
      problem.mask.strict = strict;
      // Values count: with keys of 0 the output is the mean of what is seen, and lse the logarithm
      // of their number.
      std::fill_n(static_cast<char*>(problem.k.raw()), problem.k.bytes(), char{0});
      problem.forward();
      // Scores of 0 and weights of 1 are exact: the logarithm rounds, once or twice.
      const double expected = std::log(strict ? 3.0 : 4.0);
      const double rounding = 4 * test::unit_roundoff(accumulator(dtype)) * expected;
      EXPECT_NEAR(values_of(problem.lse.view()).back(), expected, rounding);
    }
  }
}

TEST(Attention, GivesExactZerosToAQueryWithoutKeys) {
  for (const DType dtype : kDTypes) {
    SCOPED_TRACE(name(dtype));
    AttentionProblem problem({.B = 1, .Tq = 5, .Tk = 5, .Hq = 2, .Hkv = 1}, dtype);
    problem.mask.strict = true;
    problem.set_first_key({0, 0, 2, 2, 2});  // queries 0 and 2 start a document
    problem.forward();
    problem.backward();
    for (const int64_t i : {0, 2}) {
      EXPECT_THAT(values_of(problem.out.view().slice(1, i, i + 1)), testing::Each(0.0));
      EXPECT_THAT(values_of(problem.dq.view().slice(1, i, i + 1)), testing::Each(0.0));
      EXPECT_THAT(values_of(problem.lse.view().slice(2, i, i + 1)), testing::Each(-kInfinity));
    }
    EXPECT_THAT(values_of(problem.out.view().slice(1, 3, 5)), testing::Each(testing::Ne(0.0)));
  }
}

TEST(Attention, GivesExactZerosToKeysThatNobodySees) {
  for (const DType dtype : kDTypes) {
    SCOPED_TRACE(name(dtype));
    AttentionProblem problem({.B = 1, .Tq = 40, .Tk = 700, .Hq = 2, .Hkv = 1}, dtype);
    problem.mask.strict = true;
    problem.forward();
    problem.backward();
    EXPECT_THAT(values_of(problem.dk.view().slice(1, 39, 700)), testing::Each(0.0));
    EXPECT_THAT(values_of(problem.dv.view().slice(1, 39, 700)), testing::Each(0.0));
    EXPECT_THAT(values_of(problem.dv.view().slice(1, 0, 39)), testing::Each(testing::Ne(0.0)));
  }
}

TEST(Attention, WithoutKeysGivesZeros) {
  for (const DType dtype : kDTypes) {
    AttentionProblem problem({.B = 2, .Tq = 3, .Tk = 0, .Hq = 2, .Hkv = 1}, dtype);
    problem.forward();
    problem.backward();
    EXPECT_THAT(values_of(problem.out.view()), testing::Each(0.0));
    EXPECT_THAT(values_of(problem.lse.view()), testing::Each(-kInfinity));
    EXPECT_THAT(values_of(problem.dq.view()), testing::Each(0.0));
  }
}

TEST(Attention, WithoutQueriesClearsTheGradientsOfTheKeys) {
  for (const DType dtype : kDTypes) {
    AttentionProblem problem({.B = 2, .Tq = 0, .Tk = 3, .Hq = 2, .Hkv = 1}, dtype);
    problem.forward();
    problem.backward();
    EXPECT_THAT(values_of(problem.dk.view()), testing::Each(0.0));
    EXPECT_THAT(values_of(problem.dv.view()), testing::Each(0.0));
  }
}

TEST(Attention, NeverReadsKeysPastTheLengthOfTheirSequence) {
  for (const DType dtype : kDTypes) {
    SCOPED_TRACE(name(dtype));
    AttentionProblem problem({.B = 1, .Tq = 20, .Tk = 200, .Hq = 2, .Hkv = 1}, dtype);
    problem.mask.query_offset = 180;
    problem.set_key_lengths({70});
    const AttentionAnswer expected = answer(problem);
    test::fill_nan(problem.k.view().slice(1, 70, 200));
    test::fill_nan(problem.v.view().slice(1, 70, 200));
    check_forward(problem, expected);
    check_backward(problem, expected);
  }
}

/// Small in double, so that the difference quotient is exact to about 1e-10.
TEST(Attention, BackwardEqualsCentralDifferences) {
  AttentionProblem problem({.B = 1, .Tq = 7, .Tk = 9, .Hq = 2, .Hkv = 1, .D = 4}, DType::kF64);
  problem.mask.strict = true;
  problem.mask.query_offset = 2;
  problem.mask.window_tokens = 4;
  const auto loss = [&] {
    problem.forward();
    const std::vector<double> out = values_of(problem.out.view());
    const std::vector<double> dout = values_of(problem.dout.view());
    double sum = 0.0;
    for (size_t i = 0; i < out.size(); ++i) sum += out[i] * dout[i];
    return sum;
  };
  loss();
  problem.backward();
  const std::pair<const Buffer*, const Buffer*> inputs[] = {
      {&problem.q, &problem.dq}, {&problem.k, &problem.dk}, {&problem.v, &problem.dv}};
  for (const auto& [input, gradient] : inputs) {
    for (int64_t i = 0; i < input->view().numel(); ++i) {
      double& x = input->view().data<double>()[i];
      const double at = x, step = 1e-5;
      x = at + step;
      const double above = loss();
      x = at - step;
      const double below = loss();
      x = at;
      EXPECT_NEAR((above - below) / (2.0 * step), gradient->view().data<double>()[i], 1e-8);
    }
  }
}

TEST(Attention, AddsTheGradientsOfSeveralReaders) {
  for (const DType dtype : kDTypes) {
    SCOPED_TRACE(name(dtype));
    const AttentionProblem::Sizes sizes{.B = 2, .Tq = 70, .Tk = 70, .Hq = 4, .Hkv = 2};
    const AttentionProblem first(sizes, dtype, 1);
    AttentionProblem second(sizes, dtype, 50);
    second.k = test::tensor_of(dtype, {2, 70, 2, 8}, values_of(first.k.view()));
    second.v = test::tensor_of(dtype, {2, 70, 2, 8}, values_of(first.v.view()));
    for (const AttentionProblem* problem :
         {&first, &static_cast<const AttentionProblem&>(second)}) {
      problem->forward();
      problem->backward();
    }
    const AttentionAnswer one = answer(first), two = answer(second);
    std::vector<double> sum = one.dk;
    for (size_t i = 0; i < sum.size(); ++i) sum[i] += two.dk[i];
    Stream stream;
    ops::attention_backward(stream, second.dq.view(), first.dk.view(), first.dv.view(),
                            second.dout.view(), second.out.view(), second.lse.view(),
                            second.q.view(), second.k.view(), second.v.view(), second.mask,
                            GradMode::kAccumulate);
    expect_near(first.dk.view(), sum, one.dk_tolerance + two.dk_tolerance, "dk");
  }
}

TEST(Attention, IsBitEqualForEveryNumberOfThreadsAndOnRepetition) {
  const int before = ops::cpu_threads();
  for (const DType dtype : kDTypes) {
    for (const int64_t batch :
         {1, 3}) {  // one pair takes the divided backward; three key blocks show the order of a sum
      SCOPED_TRACE(format("{} B {}", name(dtype), batch));
      const AttentionProblem problem(
          {.B = batch, .Tq = 1090, .Tk = 1090, .Hq = 2, .Hkv = 1, .D = 8}, dtype);
      std::vector<std::vector<double>> expected;
      for (const int threads : {1, 1, 2, 3}) {
        ops::set_cpu_threads(threads);
        problem.forward();
        problem.backward();
        std::vector<std::vector<double>> got;
        for (const Buffer* b :
             {&problem.out, &problem.lse, &problem.dq, &problem.dk, &problem.dv}) {
          got.push_back(values_of(b->view()));
        }
        if (expected.empty()) expected = got;
        EXPECT_TRUE(got == expected) << threads << " threads";
      }
    }
  }
  ops::set_cpu_threads(before);
}

TEST(Attention, OfAPartOfTheQueriesEqualsThatPartOfTheWhole) {
  for (const DType dtype : kDTypes) {
    SCOPED_TRACE(name(dtype));
    AttentionProblem whole({.B = 2, .Tq = 150, .Tk = 150, .Hq = 2, .Hkv = 1}, dtype);
    whole.mask.strict = true;
    whole.mask.window_tokens = 60;
    const AttentionAnswer expected = answer(whole);
    whole.forward();
    const std::vector<double> out = values_of(whole.out.view());
    test::fill_nan(whole.out.view());
    Stream stream;
    const int64_t cuts[] = {0, 1, 77, 150};
    for (int part = 0; part < 3; ++part) {
      const int64_t begin = cuts[part], end = cuts[part + 1];
      ops::AttentionMask mask = whole.mask;
      mask.query_offset = begin;
      ops::attention_forward(
          stream, whole.out.view().slice(1, begin, end), whole.lse.view().slice(2, begin, end),
          whole.q.view().slice(1, begin, end), whole.k.view(), whole.v.view(), mask);
    }
    expect_near(whole.out.view(), out, 2.0 * expected.out_tolerance, "out");
  }
}

TEST(Attention, ReadsAndWritesStridedViews) {
  for (const DType dtype : kDTypes) {
    SCOPED_TRACE(name(dtype));
    const AttentionProblem plain({.B = 2, .Tq = 30, .Tk = 30, .Hq = 4, .Hkv = 2}, dtype);
    plain.forward();
    plain.backward();
    // q, k and v side by side in one tensor, every result with a gap after each row.
    const Buffer fused(dtype, {2, 30, 8, 8});
    const auto place = [&](const Buffer& from, int64_t first, int64_t heads) {
      const View to = fused.view().slice(2, first, first + heads);
      const int64_t bytes = heads * 8 * size_bytes(dtype);
      for (int64_t row = 0; row < 60; ++row) {
        std::memcpy(static_cast<char*>(to.raw()) + row * 64 * size_bytes(dtype),
                    static_cast<const char*>(from.raw()) + row * bytes, static_cast<size_t>(bytes));
      }
      return to;
    };
    const View q = place(plain.q, 0, 4), k = place(plain.k, 4, 2), v = place(plain.v, 6, 2);
    const DType sums = accumulator(dtype);
    const Buffer out = test::nan_tensor(dtype, {2, 30, 5, 8});
    const Buffer dq = test::nan_tensor(dtype, {2, 30, 5, 8});
    const Buffer dk = test::nan_tensor(sums, {2, 30, 3, 8});
    const Buffer dv = test::nan_tensor(sums, {2, 30, 3, 8});
    const View out_part = out.view().slice(2, 1, 5), dq_part = dq.view().slice(2, 1, 5);
    const View dk_part = dk.view().slice(2, 1, 3), dv_part = dv.view().slice(2, 1, 3);
    Stream stream;
    ops::attention_forward(stream, out_part, plain.lse.view(), q, k, v, {});
    ops::attention_backward(stream, dq_part, dk_part, dv_part, plain.dout.view(), out_part,
                            plain.lse.view(), q, k, v, {}, GradMode::kOverwrite);
    EXPECT_EQ(values_of(out_part), values_of(plain.out.view()));
    EXPECT_EQ(values_of(dq_part), values_of(plain.dq.view()));
    EXPECT_EQ(values_of(dk_part), values_of(plain.dk.view()));
    EXPECT_EQ(values_of(dv_part), values_of(plain.dv.view()));
    EXPECT_THAT(values_of(out.view().slice(2, 0, 1)), testing::Each(testing::IsNan()));
    EXPECT_THAT(values_of(dk.view().slice(2, 0, 1)), testing::Each(testing::IsNan()));
  }
}

TEST(Attention, NamesTheArgumentThatDoesNotFit) {
  const AttentionProblem problem({.B = 1, .Tq = 4, .Tk = 4, .Hq = 3, .Hkv = 3}, DType::kF32);
  Stream stream;
  const auto message = [&](const auto& call) -> std::string {
    try {
      call();
    } catch (const Error& error) {
      return error.what();
    }
    return "";
  };
  const Buffer two_heads(DType::kF32, {1, 4, 2, 8});
  EXPECT_THAT(message([&] {
                ops::attention_forward(stream, problem.out.view(), problem.lse.view(),
                                       problem.q.view(), two_heads.view(), two_heads.view(), {});
              }),
              testing::HasSubstr("attention_forward: the heads of q"));
  EXPECT_THAT(message([&] {
                ops::attention_forward(stream, problem.out.view(), problem.out.view(),
                                       problem.q.view(), problem.k.view(), problem.v.view(), {});
              }),
              testing::HasSubstr("lse"));
  EXPECT_THAT(message([&] {
                ops::attention_backward(stream, problem.dq.view(), problem.dk.view(), {},
                                        problem.dout.view(), problem.out.view(), problem.lse.view(),
                                        problem.q.view(), problem.k.view(), problem.v.view(), {},
                                        GradMode::kOverwrite);
              }),
              testing::HasSubstr("both be empty"));
}

}  // namespace
}  // namespace lckv
