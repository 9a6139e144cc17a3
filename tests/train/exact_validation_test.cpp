#include "lckv/train/exact_validation.h"

#include <cmath>

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "evaluated_run.h"
#include "lckv/eval/perplexity_rows.h"
#include "lckv/train/run_scratch.h"
#include "stepping_run.h"

namespace lckv::train {
namespace {

using testing::ElementsAre;

config::RunConfig exact_run(const std::string& name, bool document_mask) {
  config::RunConfig run = test::evaluated_run(test::fresh_folder(name));
  run.train.precision = config::Precision::kFp64;
  run.data.document_mask = document_mask;
  run.model.initializer_range = 0.2;  // far from what one pass computes
  return run;
}

/// By the scorer of whole sequences.
eval::PerplexityResult by_scorer(test::SteppingRun& stepping, const config::RunConfig& run,
                                 const eval::ForwardMode& mode) {
  eval::Scorer::Options options;
  options.dtype = DType::kF64;
  options.B = 2;
  options.T = run.data.sequence_tokens;
  options.document_mask = run.data.document_mask;
  options.mode = mode;
  Arena plan = Arena::planning();
  eval::Scorer(plan, run.model, options);
  Arena memory = Arena::allocate(plan);
  eval::Scorer scorer(memory, run.model, options);
  Stream stream;
  scorer.prepare(stream);
  data::ValidationLoader loader(run.data, 2, run.validation.tokens);
  return scorer.score(stream, stepping.trainer().weights(), loader);
}

class ExactValidation : public testing::TestWithParam<bool> {};

TEST_P(ExactValidation, IsTheLossOfDecodingTokenByToken) {
  const config::RunConfig run = exact_run("decoding", GetParam());
  test::SteppingRun stepping(comm::single_process(), run);
  stepping.start();
  eval::RowScorer scorer(run.model, stepping.trainer().weights(),
                         {.mode = eval::ForwardMode::converge(1e-14), .batch_tokens = 200});
  data::ValidationLoader loader(run.data, 2, run.validation.tokens);
  const std::vector<eval::TokenPair> rows = eval::rows_of(loader);
  Stream stream;
  const std::atomic<bool> never{false};
  const ExactLoss exact = score_exactly(stream, scorer, rows, comm::single_process(), never);
  // As many passes as tokens are decoding itself (spec/lckv.md 5).
  const auto sequential =
      by_scorer(stepping, run, eval::ForwardMode::iterate(run.data.sequence_tokens));
  const auto own = by_scorer(stepping, run, eval::parse_forward_mode("iterate", run.model));
  EXPECT_EQ(exact.tokens, sequential.scored_tokens);
  // What the last pass still changed is below 1e-14 of keys and values; the rest is rounding.
  constexpr double kTolerance = 1e-10;
  EXPECT_NEAR(exact.loss, sequential.mean_nll, kTolerance);
  EXPECT_GT(std::abs(own.mean_nll - sequential.mean_nll), 1e3 * kTolerance)
      << "the passes of training are at the fixed point: nothing was told apart";
  EXPECT_GT(exact.passes, run.model.forward_passes + run.model.backward_passes);
  EXPECT_LE(exact.passes, run.data.sequence_tokens);
}

INSTANTIATE_TEST_SUITE_P(Masks, ExactValidation, testing::Bool(), [](const auto& test) {
  return std::string(test.param ? "documents" : "blocks");
});

TEST(ExactValidationRows, AreTheDocumentsPartsWithTheirTargets) {
  const config::RunConfig run = exact_run("rows", true);
  data::ValidationLoader loader(run.data, 3, 128);
  const std::vector<eval::TokenPair> rows = eval::rows_of(loader);
  loader.rewind();
  int64_t scored = 0;
  while (const auto batch = loader.next()) scored += batch->scored_targets;
  int64_t in_rows = 0;
  for (const eval::TokenPair& row : rows) {
    EXPECT_EQ(row.scored, row.inputs());
    EXPECT_GT(row.scored, 0);
    in_rows += row.scored;
  }
  EXPECT_EQ(in_rows, scored);
  EXPECT_GT(rows.size(), 4u);  // sequences of several documents
}

TEST(ExactValidationKeys, AreBoundedByTheValidationAndBySequences) {
  config::RunConfig run = exact_run("bounds", true);
  run.validation.tokens = 0;
  run.eval.exact_tokens = std::nullopt;
  EXPECT_EQ(exact_tokens(run), 32 * 32);
  run.eval.exact_tokens = 0;
  EXPECT_EQ(exact_tokens(run), 0);
  run.eval.exact_tokens = 5;
  EXPECT_EQ(exact_tokens(run), 32);
  run.validation.tokens = 64;
  run.eval.exact_tokens = 1000;
  EXPECT_EQ(exact_tokens(run), 64);
  EXPECT_EQ(converge_eps(run.eval, DType::kF32), 1e-6);
  EXPECT_EQ(converge_eps(run.eval, DType::kBF16), std::ldexp(1.0, -8));
  run.eval.converge_eps = 1e-3;
  EXPECT_EQ(converge_eps(run.eval, DType::kBF16), 1e-3);
}

TEST(EvaluationMemory, IsPlannedUnderItsOwnKindAndTakenAsPlanned) {
  const config::RunConfig run = exact_run("memory", true);
  config::RunConfig without = run;
  without.eval = {};
  const comm::Communicators& alone = comm::single_process();
  const model::ScratchMemory planned = plan_run_scratch(run, DType::kF64, alone, {});
  EXPECT_GT(planned.bytes(), 0);
  for (const Arena::Piece& piece : planned.pieces) EXPECT_EQ(piece.kind, "evaluation");
  EXPECT_EQ(plan_run_scratch(without, DType::kF64, alone, {}).bytes(), 0);
  const Arena plan = plan_run_memory(run, DType::kF64, alone);
  EXPECT_EQ(plan.bytes(), plan_run_memory(without, DType::kF64, alone).bytes());
  const model::MemoryReport report = model::memory_report(plan, planned);
  EXPECT_EQ(report.kinds.back().kind, "evaluation");
  EXPECT_EQ(report.total_bytes, plan.bytes() + planned.bytes());

  Arena memory = Arena::allocate(plan);
  const RunObjects objects(memory, run, DType::kF64, alone);
  int64_t taken = 0;
  for (const Arena::Piece& piece : objects.evaluation->pieces()) taken += piece.bytes;
  EXPECT_EQ(taken, planned.bytes());
}

}  // namespace
}  // namespace lckv::train
