#include <cmath>
#include <thread>

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "evaluated_run.h"
#include "lckv/base/log.h"
#include "lone_run.h"
#include "saved_state.h"

// Evaluation inside training: what it writes, what it may not change, and when it refuses to start.

namespace lckv::train {
namespace {

namespace fs = std::filesystem;
using test::train_alone;
using testing::ElementsAre;
using testing::HasSubstr;

std::vector<int64_t> steps_of(const std::map<int64_t, nlohmann::json>& rows) {
  std::vector<int64_t> steps;
  for (const auto& [step, row] : rows) steps.push_back(step);
  return steps;
}

class Evaluation : public testing::Test {
 protected:
  Evaluation() { set_log_quiet(true); }
  ~Evaluation() override { set_log_quiet(false); }
};

TEST_F(Evaluation, ScoresTasksAtItsStepsAndValidatesExactlyAtThoseOfTheValidation) {
  const config::RunConfig run = test::evaluated_run(test::fresh_folder("evaluation"));
  train_alone(run);
  const auto tasks = test::rows_with(run.output, "eval/tiny/acc");
  EXPECT_THAT(steps_of(tasks), ElementsAre(2, 4, 6, 8));
  for (const auto& [step, row] : tasks) {
    for (const char* const key : {"acc", "acc_stderr", "acc_norm", "acc_norm_stderr"}) {
      ASSERT_TRUE(row.contains(std::string("eval/tiny/") + key)) << key;
      EXPECT_TRUE(row[std::string("eval/tiny/") + key].is_number()) << key;
    }
  }
  const auto validations = test::rows_with(run.output, "validation/exact_loss");
  EXPECT_THAT(steps_of(validations), ElementsAre(4, 8));
  for (const auto& [step, row] : validations) {
    EXPECT_EQ(row["validation/loss"], row["validation_loss"]);
    EXPECT_EQ(row["validation/exact_tokens"], row["validation_tokens"]);
    EXPECT_EQ(row["validation/exact_gap"].get<double>(),
              row["validation/exact_loss"].get<double>() - row["validation/loss"].get<double>());
    EXPECT_NE(row["validation/exact_gap"], 0);
    EXPECT_GT(row["validation/exact_passes"], 2);
    EXPECT_LE(row["validation/exact_passes"], run.data.sequence_tokens);
  }
}

TEST_F(Evaluation, OfFewerTokensComparesTheLossesOfThose) {
  config::RunConfig run = test::evaluated_run(test::fresh_folder("fewer"));
  run.eval.exact_tokens = 64;
  train_alone(run);
  const auto few = test::rows_with(run.output, "validation/exact_loss");
  config::RunConfig again = run;
  again.output += "-again";
  again.validation.tokens = 64;
  again.eval.exact_tokens = 0;
  train_alone(again);
  const auto all = test::rows_with(again.output, "validation/exact_loss");
  ASSERT_EQ(steps_of(few), steps_of(all));
  for (const auto& [step, row] : few) {
    EXPECT_LT(row["validation/exact_tokens"], row["validation_tokens"]);
    EXPECT_NE(row["validation/loss"], row["validation_loss"]);
    for (const char* const key : {"loss", "exact_loss", "exact_tokens", "exact_passes"}) {
      const std::string name = std::string("validation/") + key;
      EXPECT_EQ(row[name], all.at(step)[name]) << name;
    }
  }
}

TEST_F(Evaluation, ShowsThatAModelIsWrongAtItsFixedPoint) {
  // One pass with gradient and none before: the lower layers are trained on no keys and values at
  // all, and never see those that decoding gives them.
  config::RunConfig run = test::evaluated_run(test::fresh_folder("gap"));
  run.model.layer_types = "4_4_4_4_4";
  run.model.initializer_range = 0.2;  // keys and values that are not small
  run.model.forward_passes = 0;
  run.model.backward_passes = 1;
  run.train.steps = 60;
  run.validation.every_steps = 0;
  run.eval.every_steps = 0;
  train_alone(run);
  config::RunConfig iterated = run;
  iterated.output += "-iterated";
  iterated.model.forward_passes = 6;
  iterated.model.backward_passes = 2;
  train_alone(iterated);
  const auto last = [](const config::RunConfig& of) {
    return test::rows_with(of.output, "validation/exact_gap").at(60);
  };
  const double gap = last(run)["validation/exact_gap"];
  EXPECT_LT(last(run)["validation/loss"], last(iterated)["validation/loss"]) << "looks better";
  EXPECT_GT(last(run)["validation/exact_loss"], last(iterated)["validation/exact_loss"]);
  EXPECT_GT(gap, 1);
  EXPECT_LT(std::abs(last(iterated)["validation/exact_gap"].get<double>()), 1e-3 * gap);
}

TEST_F(Evaluation, OfAPlainModelIsItsOwnLossInOnePass) {
  config::RunConfig run = test::evaluated_run(test::fresh_folder("plain"));
  run.model.layer_types = "0_1_2_3_4";
  run.eval.exact_validation = config::ExactValidation::kTrue;
  train_alone(run);
  const auto rows = test::rows_with(run.output, "validation/exact_loss");
  EXPECT_THAT(steps_of(rows), ElementsAre(4, 8));
  for (const auto& [step, row] : rows) {
    EXPECT_EQ(row["validation/exact_loss"], row["validation_loss"]);
    EXPECT_EQ(row["validation/exact_gap"], 0);
    EXPECT_EQ(row["validation/exact_passes"], 1);
  }
  run.output += "-auto";
  run.eval.exact_validation = config::ExactValidation::kAuto;
  train_alone(run);
  EXPECT_TRUE(test::rows_with(run.output, "validation/exact_loss").empty());
}

TEST_F(Evaluation, ChangesNoBitOfTheTraining) {
  const fs::path folder = test::fresh_folder("bits");
  config::RunConfig with = test::evaluated_run(folder);
  with.eval.every_steps = 1;
  config::RunConfig without = test::tiny_run(folder);
  without.output = (folder / "without").string();
  EXPECT_EQ(train_alone(with).loss, train_alone(without).loss);
  for (const int64_t step : {3, 6, 8}) {
    EXPECT_EQ(test::differing_tensors(test::state_of(with.output, step),
                                      test::state_of(without.output, step)),
              "")
        << step;
  }
}

TEST_F(Evaluation, OfAContinuedRunEqualsTheUninterruptedOne) {
  const fs::path folder = test::fresh_folder("continued");
  const config::RunConfig whole = test::evaluated_run(folder);
  train_alone(whole);
  config::RunConfig continued = whole;
  continued.output = (folder / "continued").string();
  fs::create_directories(continued.output);
  fs::copy(whole.output + "/step-00000003", continued.output + "/step-00000003",
           fs::copy_options::recursive);
  fs::copy_file(whole.output + "/metrics.jsonl", continued.output + "/metrics.jsonl");
  train_alone(continued);
  EXPECT_EQ(
      test::differing_tensors(test::state_of(continued.output, 8), test::state_of(whole.output, 8)),
      "");
  EXPECT_EQ(test::timeless_metrics(continued.output), test::timeless_metrics(whole.output));
}

/// Stops when a line of the last step's with `mark` has reached the metrics.
void stop_at(const config::RunConfig& run, const std::string& mark) {
  std::atomic<bool> stop{false};
  std::jthread watcher([&](const std::stop_token& done) {
    while (!done.stop_requested()) {
      std::ifstream file(run.output + "/metrics.jsonl");
      for (std::string line; std::getline(file, line);) {
        if (line.starts_with("{\"step\":8,") && line.find(mark) != std::string::npos) stop = true;
      }
    }
  });
  train_alone(run, stop);
}

TEST_F(Evaluation, ThatWasInterruptedIsMadeUpForOnce) {
  for (const char* const mark : {"\"loss\"", "validation_loss"}) {
    config::RunConfig run = test::evaluated_run(test::fresh_folder("interrupted"));
    run.eval.batch_tokens = 1;  // a forward for each row: time to stop
    stop_at(run, mark);
    EXPECT_EQ(train_alone(run).step, 8);
    int validations = 0, scores = 0;
    for (const auto& row : test::metrics_of(run.output)) {
      validations += row["step"] == 8 && row.contains("validation_loss") ? 1 : 0;
      scores += row["step"] == 8 && row.contains("eval/tiny/acc") ? 1 : 0;
    }
    EXPECT_EQ(validations, 1) << mark;
    EXPECT_EQ(scores, 1) << mark;
  }
}

TEST_F(Evaluation, ChoosesTheBestStateByTheExactLoss) {
  config::RunConfig run = test::evaluated_run(test::fresh_folder("best"));
  run.checkpoint.keep_best = true;
  run.validation.every_steps = 1;
  train_alone(run);
  double lowest = INFINITY;
  int64_t step = 0;
  for (const auto& [at, row] : test::rows_with(run.output, "validation/exact_loss")) {
    if (row["validation/exact_loss"] >= lowest) continue;
    lowest = row["validation/exact_loss"];
    step = at;
  }
  const RunPosition end = test::record_of(test::state_of(run.output, 8)).position;
  ASSERT_TRUE(end.best.has_value());
  EXPECT_TRUE(end.best->is_exact);
  EXPECT_EQ(end.best->loss, lowest);
  EXPECT_EQ(end.best->step, step);
  std::ifstream file(run.output + "/status.json");
  const auto status = nlohmann::json::parse(file);
  EXPECT_EQ(status["best"], nlohmann::json({{"step", step}, {"loss", lowest}, {"exact", true}}));
  EXPECT_TRUE(status["last_validation"]["exact_loss"].is_number());
}

TEST_F(Evaluation, ComparesNoExactLossWithOneThatIsNot) {
  const fs::path folder = test::fresh_folder("kinds");
  config::RunConfig run = test::evaluated_run(folder);
  run.model.layer_types = "4_4_4_4_4";
  run.model.initializer_range = 0.2;
  run.model.forward_passes = 0;
  run.model.backward_passes = 1;
  config::RunConfig own = run;
  own.eval = {};
  train_alone(own);
  const auto before = test::record_of(test::state_of(own.output, 6)).position.best;
  ASSERT_TRUE(before.has_value());
  EXPECT_FALSE(before->is_exact);

  config::RunConfig continued = run;
  continued.output = (folder / "continued").string();
  fs::create_directories(continued.output);
  fs::copy(own.output + "/step-00000006", continued.output + "/step-00000006",
           fs::copy_options::recursive);
  train_alone(continued);
  const auto after = test::record_of(test::state_of(continued.output, 8)).position.best;
  ASSERT_TRUE(after.has_value());
  EXPECT_TRUE(after->is_exact);
  EXPECT_EQ(after->step, 8);
  EXPECT_GT(after->loss, before->loss) << "lower than the other kind: nothing was told apart";
}

TEST_F(Evaluation, RefusesMissingFilesAndFieldsBeforeTheFirstStep) {
  const fs::path folder = test::fresh_folder("refused");
  const config::RunConfig good = test::evaluated_run(folder);
  const auto refusal = [&](const std::function<void(config::EvalConfig&)>& change) {
    config::RunConfig run = good;
    change(run.eval);
    try {
      train_alone(run);
    } catch (const Error& error) {
      EXPECT_FALSE(fs::exists(run.output));
      return std::pair(error.exit_code(), std::string(error.what()));
    }
    return std::pair(ExitCode::kOk, std::string("trained"));
  };
  const auto fails = [](ExitCode code, const std::string& text) {
    return testing::Pair(code, HasSubstr(text));
  };
  EXPECT_THAT(refusal([](auto& e) { e.questions = {"nowhere.jsonl"}; }),
              fails(ExitCode::kIo, "nowhere.jsonl"));
  const std::string broken = (folder / "broken.jsonl").string();
  std::ofstream(broken) << "{\"query\": \"a\"}\n";
  EXPECT_THAT(refusal([&](auto& e) { e.questions = {broken}; }),
              fails(ExitCode::kData, "broken.jsonl:1"));
  EXPECT_THAT(refusal([&](auto& e) { e.questions.push_back(e.questions.front()); }),
              fails(ExitCode::kConfig, "under the name tiny"));
  EXPECT_THAT(refusal([&](auto& e) {
                e.tasks = {"piqua"};
                e.task_data = folder.string();
              }),
              fails(ExitCode::kConfig, "did you mean 'piqa'"));
  EXPECT_THAT(refusal([&](auto& e) {
                e.tasks = {"piqa"};
                e.task_data = folder.string();
              }),
              fails(ExitCode::kIo, "no documents of task piqa"));
  EXPECT_THAT(refusal([&](auto& e) {
                e.tasks = {"questions"};
                e.task_files = {{"questions", e.questions.front()}};
                e.num_fewshot = 2;
              }),
              fails(ExitCode::kConfig, "eval.fewshot_files gives examples"));
}

TEST_F(Evaluation, ReadsTasksFromTheirFolderWithTheirExamples) {
  const fs::path folder = test::fresh_folder("tasks");
  config::RunConfig run = test::evaluated_run(folder);
  std::ofstream piqa(folder / "piqa.jsonl"), examples(folder / "piqa_train.jsonl");
  for (int i = 0; i < 4; ++i) {
    const std::string line = R"({"goal": "the cat", "sol1": "sat", "sol2": "mat", "label": )" +
                             std::to_string(i % 2) + "}\n";
    piqa << line;
    examples << line;
  }
  piqa.close();
  examples.close();
  run.model.max_position_embeddings = 256;
  run.eval.tasks = {"piqa"};
  run.eval.task_data = folder.string();
  run.eval.num_fewshot = 1;
  run.eval.limit = 3;
  run.eval.every_steps = 0;
  train_alone(run);
  const auto rows = test::rows_with(run.output, "eval/piqa/acc");
  EXPECT_THAT(steps_of(rows), ElementsAre(8));
  EXPECT_TRUE(rows.at(8).contains("eval/tiny/acc"));
}

}  // namespace
}  // namespace lckv::train
