#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "attention_problem.h"
#include "lckv/kernels/attention_backend.h"
#include "lckv/kernels/cuda/cudnn_attention_shape.h"
#include "lckv/tensor/shared_library.h"
#include "lckv/test_support/mirrored_cuda.h"

// cuDNN's attention: how it plans, which needs its library alone, and what it computes, which needs
// a GPU.
namespace lckv {
namespace {

using ops::AttentionBackend;
using ops::GradMode;
using ops::cuda::CudnnAttentionShape;
using ops::cuda::CudnnProposal;
using test::answer;
using test::AttentionAnswer;
using test::AttentionProblem;
using test::expect_near;
using test::values_of;

// ---- planning

constexpr const char* kH200 = R"({
  "deviceVer":900,"driverVer":13000,"cudaDeviceId":0,"deviceId":0,"totalGlobalMem":150754820096,
  "maxGridSize":[2147483647,65535,65535],"maxBlockSize":[1024,1024,64],"regsPerBlock":65536,
  "multiProcessorCount":132,"smClockRateKHz":1980000,"memClockRateKHz":3201000,
  "l2CacheSize":62914560,"warpSize":32,"maxSharedMemoryPerBlock":49152,
  "maxSharedMemoryPerBlockOptin":232448,"reservedSharedMemoryPerBlock":1024,
  "maxSharedMemoryPerSM":233472,"maxRegistersPerSM":65536,"pciDeviceId":0,"maxCtasPerSM":32,
  "maxThreadsPerBlock":1024,"maxThreadsPerSM":2048,"isTccDriver":0,"supportCoopLaunch":1,
  "name":"NVIDIA H200","deviceName":"NVIDIA H200"})";

/// "" when cuDNN can be asked for plans; else why not. Without a GPU the toolkit's stand-in for the
/// driver's library will do: cuDNN finds it, once loaded, by its name.
std::string why_no_plans() {
  try {
    if (!test::has_cuda()) {
      static const SharedLibrary driver({"libcuda.so.1", "stubs/libcuda.so"});
    }
    ops::set_attention_backend(AttentionBackend::kCudnn, false);
  } catch (const CudaError& error) {
    return error.what();
  }
  ops::set_attention_backend(AttentionBackend::kOwn, false);
  return "";
}

struct PlanCase {
  int64_t heads, kv_heads, width, window;
  bool strict;
};

constexpr int64_t kBatch = 8, kTokens = 2048;

/// Queries of their own, keys and values side by side, as the model has them.
CudnnAttentionShape shape_of(const PlanCase& at) {
  CudnnAttentionShape shape;
  shape.batch = kBatch;
  shape.tokens = kTokens - (at.strict ? 1 : 0);
  shape.heads = at.heads;
  shape.kv_heads = at.kv_heads;
  shape.width = at.width;
  shape.window = at.window;
  const int64_t query = at.heads * at.width, key = 2 * at.kv_heads * at.width;
  shape.q = shape.out = {kTokens * query, at.width, query};
  shape.k = shape.v = {kTokens * key, at.width, key};
  shape.lse = {at.heads * shape.tokens, shape.tokens, 1};
  return shape;
}

CudnnAttentionShape backward_of(const PlanCase& at, bool is_deterministic) {
  CudnnAttentionShape shape = shape_of(at);
  shape.is_backward = true;
  shape.is_deterministic = is_deterministic;
  shape.dout = shape.dq = shape.q;
  return shape;
}

std::vector<int64_t> engines_of(const CudnnAttentionShape& shape) {
  std::vector<int64_t> engines;
  for (const CudnnProposal& proposal : ops::cuda::cudnn_proposals(shape, kH200)) {
    engines.push_back(proposal.engine);
  }
  return engines;
}

/// TinyLlama's heads and those of a model as large with wider heads; plain, strict, with a window.
std::vector<PlanCase> plan_cases() {
  std::vector<PlanCase> cases;
  for (const bool strict : {false, true}) {
    for (const int64_t window : {0, 1023}) {
      cases.push_back({32, 4, 64, window, strict});
      cases.push_back({16, 4, 128, window, strict});
      cases.push_back({8, 8, 64, window, strict});
    }
  }
  return cases;
}

TEST(CudnnAttentionPlan, TakesTheFusedKernelsForEveryShapeOfTheModels) {
  if (const std::string why = why_no_plans(); !why.empty()) GTEST_SKIP() << why;
  for (const PlanCase& at : plan_cases()) {
    SCOPED_TRACE(format("{}/{} heads of {}, window {}{}", at.heads, at.kv_heads, at.width,
                        at.window, at.strict ? ", strict" : ""));
    const auto forward = engines_of(shape_of(at));
    ASSERT_FALSE(forward.empty());
    EXPECT_THAT(forward, testing::Each(testing::AnyOf(1, 2)));
    for (const bool is_deterministic : {false, true}) {
      const auto backward = engines_of(backward_of(at, is_deterministic));
      ASSERT_FALSE(backward.empty());
      EXPECT_THAT(backward, testing::Each(testing::AnyOf(6, 7)));
    }
  }
}

TEST(CudnnAttentionPlan, NeedsMemoryForTheScoresWhereItIsDeterministic) {
  if (const std::string why = why_no_plans(); !why.empty()) GTEST_SKIP() << why;
  for (const PlanCase& at : plan_cases()) {
    const int64_t queries_bytes = kBatch * kTokens * at.heads * at.width * 2;
    const int64_t scores_bytes = kBatch * at.heads * kTokens * kTokens * 2;
    const auto bytes = [](const CudnnAttentionShape& shape) {
      return ops::cuda::cudnn_proposals(shape, kH200).front().workspace_bytes;
    };
    EXPECT_LE(bytes(shape_of(at)), 4096);
    EXPECT_LE(bytes(backward_of(at, false)), 2 * queries_bytes);
    EXPECT_GE(bytes(backward_of(at, true)), scores_bytes);
    EXPECT_LT(bytes(backward_of(at, true)), scores_bytes + queries_bytes);
  }
}

TEST(CudnnAttentionPlan, HasNoFusedKernelForRowsThatAreNotWhole16Bytes) {
  if (const std::string why = why_no_plans(); !why.empty()) GTEST_SKIP() << why;
  EXPECT_THAT(engines_of(backward_of({8, 4, 68, 0, false}, false)),
              testing::Each(testing::Not(testing::AnyOf(6, 7))));
}

// ---- computing

/// dk and dv are rounded to BF16 once for each query head before they are summed. The bounds of
/// the op's own kernels already hold one relative rounding of every term, so that as much again
/// covers this one.
AttentionAnswer with_rounded_heads(AttentionAnswer expected) {
  expected.dk_tolerance *= 2.0;
  expected.dv_tolerance *= 2.0;
  return expected;
}

class CudnnAttention : public testing::Test {
 protected:
  void SetUp() override {
    if (!test::has_cuda()) GTEST_SKIP() << cuda::why_no_device();
    if (const std::string why = why_no_plans(); !why.empty()) GTEST_SKIP() << why;
  }
  void TearDown() override {
    if (!IsSkipped()) ops::set_attention_backend(AttentionBackend::kOwn, false);
  }

  static void clear(const AttentionProblem& problem) {
    for (const Buffer* result :
         {&problem.out, &problem.lse, &problem.dq, &problem.dk, &problem.dv}) {
      test::fill_nan(result->view());
    }
  }
  static std::vector<std::vector<double>> results(const AttentionProblem& problem) {
    clear(problem);
    problem.forward();
    problem.backward();
    std::vector<std::vector<double>> values;
    for (const Buffer* result :
         {&problem.out, &problem.lse, &problem.dq, &problem.dk, &problem.dv}) {
      values.push_back(values_of(result->view()));
    }
    return values;
  }

  static void check(const AttentionProblem& problem) {
    const AttentionAnswer expected = with_rounded_heads(answer(problem));
    for (const bool is_deterministic : {false, true}) {
      SCOPED_TRACE(is_deterministic ? "deterministic" : "not deterministic");
      ops::set_attention_backend(AttentionBackend::kCudnn, is_deterministic);
      (void)results(problem);
      expect_near(problem.out.view(), expected.out, expected.out_tolerance, "out");
      expect_near(problem.lse.view(), expected.lse, expected.lse_tolerance, "lse");
      expect_near(problem.dq.view(), expected.dq, expected.dq_tolerance, "dq");
      expect_near(problem.dk.view(), expected.dk, expected.dk_tolerance, "dk");
      expect_near(problem.dv.view(), expected.dv, expected.dv_tolerance, "dv");
    }
  }

  static AttentionProblem problem_of(int64_t tokens, const AttentionProblem::Sizes& other) {
    AttentionProblem::Sizes sizes = other;
    sizes.Tq = sizes.Tk = tokens;
    AttentionProblem problem(sizes, DType::kBF16);
    problem.kernels = &test::mirrored_cuda_table();
    return problem;
  }
};

constexpr AttentionProblem::Sizes kGrouped{.B = 2, .Hq = 4, .Hkv = 2, .D = 64};

TEST_F(CudnnAttention, EqualsItsDefinitionUnderEveryMask) {
  for (const int64_t tokens : {64, 127, 128, 1000}) {
    for (const bool strict : {false, true}) {
      for (const int64_t window : {0, 40}) {
        SCOPED_TRACE(format("T {}{} window {}", tokens, strict ? " strict" : "", window));
        AttentionProblem problem = problem_of(tokens, kGrouped);
        problem.mask.strict = strict;
        problem.mask.window_tokens = window;
        check(problem);
      }
    }
  }
}

TEST_F(CudnnAttention, EqualsItsDefinitionForOtherHeads) {
  const AttentionProblem::Sizes others[] = {{.B = 1, .Hq = 8, .Hkv = 1, .D = 64},
                                            {.B = 3, .Hq = 2, .Hkv = 2, .D = 64},
                                            {.B = 2, .Hq = 4, .Hkv = 2, .D = 128},
                                            {.B = 2, .Hq = 4, .Hkv = 2, .D = 80}};
  for (const auto& sizes : others) {
    for (const bool strict : {false, true}) {
      SCOPED_TRACE(
          format("{}/{} heads of {}{}", sizes.Hq, sizes.Hkv, sizes.D, strict ? " strict" : ""));
      AttentionProblem problem = problem_of(200, sizes);
      problem.mask.strict = strict;
      check(problem);
    }
  }
}

// Sums in another order have other bits: equal ones would say that cuDNN was never asked.
TEST_F(CudnnAttention, IsNotOurOwn) {
  const AttentionProblem problem = problem_of(200, kGrouped);
  const auto own = results(problem);
  ops::set_attention_backend(AttentionBackend::kCudnn, false);
  const auto other = results(problem);
  EXPECT_NE(own[1], other[1]) << "lse";
  EXPECT_NE(own[3], other[3]) << "dk";
}

TEST_F(CudnnAttention, IsBitEqualOnRepetitionWhereItIsDeterministic) {
  ops::set_attention_backend(AttentionBackend::kCudnn, true);
  for (const bool strict : {false, true}) {
    AttentionProblem problem = problem_of(1000, kGrouped);
    problem.mask.strict = strict;
    const auto first = results(problem);
    for (int repetition = 0; repetition < 3; ++repetition) EXPECT_EQ(results(problem), first);
  }
}

TEST_F(CudnnAttention, AddsToTheGradientsOfTheKeys) {
  ops::set_attention_backend(AttentionBackend::kCudnn, true);
  for (const bool strict : {false, true}) {
    AttentionProblem problem = problem_of(127, kGrouped);
    problem.mask.strict = strict;
    (void)results(problem);
    const std::vector<double> dk = values_of(problem.dk.view()), dv = values_of(problem.dv.view());
    problem.backward(GradMode::kAccumulate);
    const auto twice = [](std::vector<double> values) {
      for (double& value : values) value *= 2.0;
      return values;
    };
    EXPECT_EQ(values_of(problem.dk.view()), twice(dk));
    EXPECT_EQ(values_of(problem.dv.view()), twice(dv));
  }
}

TEST_F(CudnnAttention, LeavesTheKeyThatNobodySeesAsItWasWhenItAdds) {
  ops::set_attention_backend(AttentionBackend::kCudnn, false);
  AttentionProblem problem = problem_of(128, kGrouped);
  problem.mask.strict = true;
  problem.forward();
  for (const Buffer* gradient : {&problem.dk, &problem.dv}) {
    std::fill_n(gradient->view().data<float>(), gradient->view().numel(), 7.0F);
  }
  problem.backward(GradMode::kAccumulate);
  for (const Buffer* gradient : {&problem.dk, &problem.dv}) {
    const auto last = gradient->view().slice(1, 127, 128), first = gradient->view().slice(1, 0, 1);
    EXPECT_THAT(values_of(last), testing::Each(7.0));
    EXPECT_THAT(values_of(first), testing::Not(testing::Each(7.0)));
  }
}

TEST_F(CudnnAttention, GivesExactZerosToTheFirstQueryOfStrictAttention) {
  ops::set_attention_backend(AttentionBackend::kCudnn, false);
  AttentionProblem problem = problem_of(128, kGrouped);
  problem.mask.strict = true;
  (void)results(problem);
  EXPECT_THAT(values_of(problem.out.view().slice(1, 0, 1)), testing::Each(0.0));
  EXPECT_THAT(values_of(problem.dq.view().slice(1, 0, 1)), testing::Each(0.0));
  EXPECT_THAT(values_of(problem.lse.view().slice(2, 0, 1)),
              testing::Each(-std::numeric_limits<double>::infinity()));
}

// Where a window off by one, or a diagonal, would be within the tolerances, the tests above would
// say nothing.
TEST(CudnnAttentionTolerance, TellsMasksApart) {
  const auto answer_of = [](bool strict, int64_t window) {
    AttentionProblem problem({.B = 1, .Tq = 127, .Tk = 127, .Hq = 2, .Hkv = 1, .D = 64},
                             DType::kBF16);
    problem.mask.strict = strict;
    problem.mask.window_tokens = window;
    return with_rounded_heads(answer(problem));
  };
  const auto difference = [](const std::vector<double>& a, const std::vector<double>& b) {
    double largest = 0.0;
    for (size_t i = 0; i < a.size(); ++i) largest = std::max(largest, std::fabs(a[i] - b[i]));
    return largest;
  };
  const AttentionAnswer right = answer_of(false, 40);
  for (const AttentionAnswer& wrong :
       {answer_of(false, 39), answer_of(false, 41), answer_of(true, 40), answer_of(false, 0)}) {
    EXPECT_GT(difference(right.out, wrong.out), 2.0 * right.out_tolerance);
    EXPECT_GT(difference(right.lse, wrong.lse), 2.0 * right.lse_tolerance);
  }
}

}  // namespace
}  // namespace lckv
