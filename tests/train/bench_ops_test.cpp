#include "lckv/train/bench_ops.h"

#include <algorithm>
#include <array>
#include <cmath>
#include <set>

#include <gtest/gtest.h>
#include <nlohmann/json.hpp>

#include "lckv/base/timeline.h"
#include "lckv/kernels/table.h"
#include "lckv/test_support/random_tensor.h"
#include "lckv/train/op_operands.h"
#include "lckv/train/repeated_runs.h"

namespace lckv::train {
namespace {

model::Dims small_dims() {
  return {.B = 2, .T = 8, .V = 50, .L = 1, .C = 16, .F = 24, .Hq = 4, .Hkv = 2, .D = 4};
}

const OpCase& find(const std::vector<OpCase>& cases, const std::string& op,
                   const std::string& part) {
  const auto found = std::find_if(cases.begin(), cases.end(), [&](const OpCase& c) {
    return c.op == op && (part.empty() || c.part == part);
  });
  if (found == cases.end()) throw InternalError("no case " + op + " " + part);
  return *found;
}

struct Counted {
  const char *op, *part;
  int64_t bytes;
  double flops;
};

// N = 16, C = Cq = 16, F = 24, V = 50, Ckv = 8; bf16 beside F32. Terms in the order of the op's
// arguments.
constexpr Counted kByHand[] = {
    {"rmsnorm_forward", "", 512 + 64 + 512 + 32, 0},
    {"rmsnorm_backward", "", 2 * 1024 + 2 * 64 + 512 + 512 + 64 + 32, 0},
    {"rope_forward", "queries", 2 * 512 + 64 + 64 + 64, 0},
    {"rope_backward", "keys", 2 * 256 + 64 + 64 + 64, 0},
    {"rope_tables", "", 64 + 64, 0},
    {"swiglu_forward", "", 768 + 1536, 0},
    {"swiglu_backward", "", 1536 + 768 + 1536, 0},
    {"matmul_forward", "gate, up", 1536 + 512 + 1536, 2 * 16 * 48 * 16},
    {"matmul_forward", "head", 3200 + 512 + 1600, 2 * 16 * 50 * 16},
    {"matmul_add_forward", "down", 512 + 768 + 768 + 512, 2 * 16 * 16 * 24},
    {"matmul_backward_input", "down", 768 + 512 + 768, 2 * 16 * 16 * 24},
    {"matmul_backward_weight", "gate, up", 2 * 3072 + 1536 + 512, 2 * 16 * 48 * 16},
    // 2 sequences, 4 heads, 1 + 2 + ... + 8 pairs each; two products of 2 D forward, four backward
    {"attention_forward", "", 512 + 256 + 512 + 512, 2 * 4 * 36 * (2 * 2 * 4)},
    {"attention_backward", "", 512 + 1024 + 512 + 512 + 256 + 512 + 512, 2 * 4 * 36 * (4 * 2 * 4)},
    {"cross_entropy_forward", "", 64 + 3200 + 64, 0},
    {"cross_entropy_forward_backward", "", 64 + 1600 + 3200 + 64 + 8, 0},
    {"cross_entropy_part", "", 3 * 128 + 3200 + 64, 0},
    {"cross_entropy_join", "", 64 + 2 * 128 + 8 * 3 * 128 + 64, 0},
    {"cross_entropy_part_backward", "", 1600 + 3200 + 2 * 128 + 64 + 8, 0},
    {"adamw_update", "", (3 * 8 + 4 + 2) * 768 + 4, 0},
    {"sum", "", 8 + 3072, 0},
    {"sum_of_squares", "", 8 + 3072, 0},
    {"clip_scale", "", 4 + 8, 0},
    {"copy", "bf16", 512 + 512, 0},
    {"copy", "f32 to bf16", 512 + 1024, 0},
    {"fill_zero", "", 1024, 0},
    {"add", "", 2 * 1024 + 512, 0},
    // a page of 8 tokens for each of 2 sequences; 4 heads of 8 keys each, two products of 2 D
    {"paged_attention_forward", "", 64 + 64 + 256 + 256 + 4 * 8, 2 * 4 * 8 * (2 * 2 * 4)},
    {"copy_numbered_rows", "", 512 + 64 + 512 + 64, 0},
    {"row_changes", "", 256 + 2 * 512, 0},
    {"argmax", "", 64 + 3200, 0},
};

TEST(OpCases, CountBytesAndFlopsAsByHand) {
  const std::vector<OpCase> cases = list_op_cases(small_dims(), DType::kBF16);
  for (const Counted& counted : kByHand) {
    const OpCase& op_case = find(cases, counted.op, counted.part);
    EXPECT_EQ(op_case.moved_bytes(), counted.bytes) << counted.op << " " << counted.part;
    EXPECT_EQ(op_case.flops, counted.flops) << counted.op << " " << counted.part;
  }
}

TEST(OpCases, AnEmbeddingTouchesTheRowsOfTheTokensThatOccur) {
  const std::vector<OpCase> cases = list_op_cases(small_dims(), DType::kBF16);
  const std::vector<int32_t>& tokens = find(cases, "embedding_forward", "").operands[2].integers;
  ASSERT_EQ(std::ssize(tokens), 16);
  const int64_t rows = std::ssize(std::set<int32_t>(tokens.begin(), tokens.end()));
  ASSERT_LT(rows, 16);  // one occurs twice
  EXPECT_EQ(find(cases, "embedding_forward", "").moved_bytes(), 512 + rows * 32 + 64);
  EXPECT_EQ(find(cases, "embedding_backward", "").moved_bytes(), 2 * rows * 64 + 1024 + 64);
}

TEST(OpCases, WeightsThatAreTheirOwnMastersAreCountedOnce) {
  const std::vector<OpCase> cases = list_op_cases(small_dims(), DType::kF32);
  EXPECT_EQ(find(cases, "adamw_update", "").moved_bytes(), (3 * 8 + 4) * 768 + 4);
}

class OpCasesOf : public testing::TestWithParam<DType> {};

/// The ops that a case calls, as a timeline names them.
std::set<std::string> called(const OpCase& op_case, OperandMaker& maker) {
  const OperandSet operands(maker, op_case, /*set=*/0);
  Stream stream;
  start_timeline();
  op_case.run(stream, operands.views);
  std::set<std::string> names;
  for (const TimelineSpan& span : stop_timeline()) names.insert(span.name);
  return names;
}

TEST_P(OpCasesOf, CallTheOpThatTheyNameAndLeaveNoneOut) {
  OperandMaker maker({});
  std::set<std::string> all;
  for (const OpCase& op_case : list_op_cases(small_dims(), GetParam())) {
    EXPECT_EQ(called(op_case, maker), std::set<std::string>{op_case.op}) << op_case.part;
    all.insert(op_case.op);
  }
  // A table is its name and one reference for each op.
  EXPECT_EQ(all.size(), sizeof(ops::KernelTable) / sizeof(void*) - 1);
}

TEST_P(OpCasesOf, WriteFiniteNumbersEverywhere) {
  OperandMaker maker({});
  for (const OpCase& op_case : list_op_cases(small_dims(), GetParam())) {
    const OperandSet operands(maker, op_case, /*set=*/1);
    Stream stream;
    op_case.run(stream, operands.views);
    for (const View& x : operands.views) {
      if (x.dtype() == DType::kI32) continue;
      for (const double value : test::values_of(x)) {
        ASSERT_TRUE(std::isfinite(value)) << op_case.op << " " << x.describe();
      }
    }
  }
}

INSTANTIATE_TEST_SUITE_P(Precisions, OpCasesOf,
                         testing::Values(DType::kBF16, DType::kF32, DType::kF64),
                         [](const auto& test) { return std::string(name(test.param)); });

TEST(OperandMaker, DrawsOtherValuesForEverySetNeverZeros) {
  OperandMaker maker({});
  const OpOperand operand{.dtype = DType::kF32, .shape = {1500, 1000}};
  const Buffer first = maker.make(operand, 0), second = maker.make(operand, 1);
  const auto *a = first.view().data<float>(), *b = second.view().data<float>();
  int64_t equal = 0, zeros = 0;
  double sum = 0;
  for (int64_t i = 0; i < 1'500'000; ++i) {
    equal += a[i] == b[i];
    zeros += a[i] == 0;
    sum += a[i];
  }
  EXPECT_LT(equal, 10);
  EXPECT_EQ(zeros, 0);
  EXPECT_LT(std::abs(sum), 6 * std::sqrt(1.5 * 1'500'000 / 3));  // half a million values twice
  EXPECT_NE(std::vector(a, a + 1000), std::vector(a + 1000, a + 2000));
}

TEST(RepeatedRuns, GoThroughTheSetsInTurn) {
  Stream stream;
  std::array<int64_t, 3> counts{};
  int64_t last = 2;
  RepeatedRuns runs(stream, 3, [&](Stream&, int64_t set) {
    EXPECT_EQ(set, (last + 1) % 3);
    last = set;
    ++counts[size_t(set)];
  });
  const RunTimes times = runs.measure(1e-3);
  EXPECT_GE(times.runs, 5);
  EXPECT_LE(times.min_s, times.median_s);
  EXPECT_LE(counts[0] - counts[2], 1);
}

TEST(BenchOps, TheCeilingOfAnOpIsThatOfItsKind) {
  BenchOpsResult result;
  result.copy_bytes_per_s = 1000;
  result.product_flops_per_s = 1e6;
  OpRate rate;
  rate.moved_bytes = 500;
  rate.median_s = 2;
  EXPECT_EQ(result.share(rate), 0.25);
  rate.flops = 1e6;
  EXPECT_EQ(result.share(rate), 0.5);
}

TEST(BenchOps, RowsAreWholeSequencesOrOneShorterOne) {
  EXPECT_EQ(with_rows(small_dims(), 24).B, 3);
  EXPECT_EQ(with_rows(small_dims(), 5).B, 1);
  EXPECT_EQ(with_rows(small_dims(), 5).T, 5);
  EXPECT_THROW(with_rows(small_dims(), 12), Error);
}

TEST(BenchOps, MeasuresEveryCaseBesideBothCeilings) {
  const BenchOpsResult result = bench_ops({.dims = small_dims(),
                                           .dtype = DType::kF32,
                                           .device = {},
                                           .budget_s = 1e-4,
                                           .copy_bytes = 1 << 16,
                                           .product_rows = 32});
  EXPECT_EQ(result.rates.size(), list_op_cases(small_dims(), DType::kF32).size());
  EXPECT_GT(result.copy_bytes_per_s, 0);
  EXPECT_GT(result.product_flops_per_s, 0);
  for (const OpRate& rate : result.rates) {
    EXPECT_GT(rate.median_s, 0) << rate.op;
    EXPECT_GT(result.share(rate), 0) << rate.op;
    EXPECT_GT(rate.sets, 1) << rate.op;
  }
  const auto json = nlohmann::json::parse(to_json(result));
  EXPECT_EQ(json["ops"].size(), result.rates.size());
  EXPECT_EQ(json["precision"], "f32");
}

}  // namespace
}  // namespace lckv::train
