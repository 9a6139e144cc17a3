#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "evaluated_run.h"
#include "lckv/base/log.h"
#include "saved_state.h"
#include "shared_run.h"

// Evaluation inside training on grids of the world.

namespace lckv::test {
namespace {

class EvaluationOnGrid : public testing::Test {
 protected:
  EvaluationOnGrid() { set_log_quiet(true); }
};

config::RunConfig shared_evaluated_run(const std::string& name) {
  config::RunConfig run = shared_run(name);
  const std::filesystem::path folder = std::filesystem::path(run.output).parent_path();
  if (world().rank() == 0) tiny_questions(folder);
  world().all().barrier("questions are there");
  run.eval.every_steps = 4;
  run.eval.questions = {(folder / "tiny.jsonl").string()};
  run.eval.exact_tokens = 0;
  run.eval.batch_tokens = 48;  // many batches: copies take them in turn
  return run;
}

/// One process trains and scores in double precision; so do k of them, but for the order of sums.
constexpr double kTolerance = 1e-9;

void expect_equal_scores(const std::string& actual, const std::string& expected) {
  for (const char* const key : {"validation/exact_loss", "eval/tiny/acc"}) {
    const auto ours = rows_with(actual, key), theirs = rows_with(expected, key);
    EXPECT_EQ(ours.size(), 2u) << key;
    EXPECT_EQ(theirs.size(), 2u) << key;
    for (const auto& [step, row] : theirs) {
      EXPECT_TRUE(ours.contains(step)) << step;
      if (!ours.contains(step)) continue;
      for (const auto& [name, value] : row.items()) {
        EXPECT_NEAR(ours.at(step).value(name, -1.0), value.get<double>(), kTolerance) << name;
      }
    }
  }
}

TEST_F(EvaluationOnGrid, GivesTheScoresOfOneProcess) {
  const config::RunConfig run = shared_evaluated_run("evaluation");
  const std::string alone = run.output + "-alone";
  train_on_first_rank(run, alone);
  for (const bool sequence_parallel : {false, true}) {
    for (int tp = 1; tp <= std::min(4, world().size()); tp *= 2) {
      if (tp == 1 && sequence_parallel) continue;
      config::RunConfig on_grid = run;
      on_grid.output = run.output + format("-tp{}{}", tp, sequence_parallel ? "s" : "");
      on_grid.parallel.tensor = tp;
      on_grid.parallel.sequence = sequence_parallel;
      train::run_training(world(), on_grid, kNeverStop);
      if (world().rank() == 0) expect_equal_scores(on_grid.output, alone);
    }
  }
}

TEST_F(EvaluationOnGrid, ChangesNoBitOfTheTraining) {
  config::RunConfig with = shared_evaluated_run("grid_bits");
  with.parallel.tensor = 2;
  config::RunConfig without = with;
  without.eval = {};
  without.output += "-without";
  train::run_training(world(), with, kNeverStop);
  train::run_training(world(), without, kNeverStop);
  if (world().rank() != 0) return;
  EXPECT_EQ(differing_tensors(state_of(with.output, 8), state_of(without.output, 8)), "");
}

TEST_F(EvaluationOnGrid, NamesTheRankThatWouldAskSomethingElse) {
  config::RunConfig run = shared_evaluated_run("other_questions");
  const std::filesystem::path home = std::filesystem::current_path();
  const std::filesystem::path own =
      std::filesystem::path(run.output).parent_path() / format("at-{}", world().rank());
  std::filesystem::create_directories(own);
  std::filesystem::copy_file(run.eval.questions.front(), own / "tiny.jsonl");
  if (world().rank() == 1) {
    std::ofstream(own / "tiny.jsonl") << R"({"query": "far", "choices": ["a", "b"], "gold": 0})";
  }
  run.eval.questions = {"tiny.jsonl"};
  std::filesystem::current_path(own);
  std::string message = "nothing was thrown";
  try {
    train::run_training(world(), run, kNeverStop);
  } catch (const Error& error) {
    message = error.what();
  }
  std::filesystem::current_path(home);
  EXPECT_THAT(message, testing::AllOf(testing::HasSubstr("rank 1"),
                                      testing::HasSubstr("what is evaluated")));
}

}  // namespace
}  // namespace lckv::test
