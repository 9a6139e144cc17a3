#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <nlohmann/json.hpp>

#include "program.h"

// Scores inside training and scores of the trained model by `lckv eval`: the same numbers.

namespace lckv::test {
namespace {

namespace fs = std::filesystem;
using nlohmann::json;
using testing::HasSubstr;

class TrainingEvaluation : public testing::Test {
 protected:
  TrainingEvaluation() {
    EXPECT_EQ(tiny_store(folder_).exit_code, 0);
    std::string questions, sentences;
    for (int i = 0; i < 24; ++i) {
      const std::string number = std::to_string(i * 7919 % 1000);
      questions += R"({"query": "the cat number )" + number +
                   R"( sat on", "choices": ["the mat", "a cat", "the hat"], "gold": )" +
                   std::to_string(i % 3) + "}\n";
      sentences += R"({"text": "the cat number )" + number + R"( sat on the mat"})" + "\n";
    }
    questions_ = write_file(folder_ / "cats.jsonl", questions);
    sentences_ = write_file(folder_ / "sentences.jsonl", sentences);
  }

  /// The run file with a section behind it.
  std::string config(const std::string& eval) {
    std::ifstream file(tiny_run_file(folder_));
    const std::string run(std::istreambuf_iterator<char>(file), {});
    return write_file(folder_ / "evaluated.yaml", run + eval);
  }

  json asked(const std::string& what) {
    const std::string out = (folder_ / "scores.json").string();
    const Outcome outcome = run_lckv("eval " + (folder_ / "run").string() + " " + what +
                                     " --json " + out + " --threads 1 --precision fp32");
    EXPECT_EQ(outcome.exit_code, 0) << outcome.output;
    std::ifstream file(out);
    return json::parse(file);
  }

  /// The last line of the metrics that holds `key`.
  json told(const std::string& key) {
    std::ifstream file(folder_ / "run" / "metrics.jsonl");
    json last;
    for (std::string line; std::getline(file, line);) {
      const json row = json::parse(line);
      if (row.contains(key)) last = row;
    }
    return last;
  }

  fs::path folder_ = fresh_folder(std::string("training_evaluation_") +
                                  testing::UnitTest::GetInstance()->current_test_info()->name());
  std::string questions_, sentences_;
};

TEST_F(TrainingEvaluation, GivesTheScoresOfTheEvaluationAfterwards) {
  const Outcome trained =
      run_lckv("train " + config("eval:\n  every_steps: 3\n  questions: " + questions_ +
                                 "\n  tasks: lambada_openai\n  task_files: "
                                 "{lambada_openai: " +
                                 sentences_ + "}\n"));
  EXPECT_EQ(trained.exit_code, 0) << trained.output;
  EXPECT_THAT(trained.output, HasSubstr("step 6: cats: acc "));
  const json inside = told("eval/cats/acc");
  ASSERT_EQ(inside["step"], 6) << trained.output;

  const json questions = asked("--questions " + questions_);
  EXPECT_EQ(inside["eval/cats/acc"], questions["acc"]);
  EXPECT_EQ(inside["eval/cats/acc_norm"], questions["acc_norm"]);
  EXPECT_EQ(inside["eval/cats/acc_stderr"], questions["acc_stderr"]);

  // A perplexity has a digit for every bit of the scores.
  const json task = asked("--tasks lambada_openai --task-file lambada_openai=" +
                          sentences_)["tasks"]["lambada_openai"];
  EXPECT_EQ(inside["eval/lambada_openai/perplexity"], task["perplexity"]) << task;
  EXPECT_EQ(inside["eval/lambada_openai/acc"], task["acc"]);
  const json other =
      asked("--forward iterate:1 --tasks lambada_openai --task-file lambada_openai=" +
            sentences_)["tasks"]["lambada_openai"];
  EXPECT_NE(inside["eval/lambada_openai/perplexity"], other["perplexity"])
      << "one pass gives the same: nothing was told apart";
}

TEST_F(TrainingEvaluation, OfAMissingFileEndsTheStartWithItsExitCode) {
  const Outcome outcome =
      run_lckv("train " + config("eval:\n  every_steps: 0\n  questions: /nowhere/q.jsonl\n"));
  EXPECT_EQ(outcome.exit_code, 5);
  EXPECT_THAT(outcome.output, HasSubstr("/nowhere/q.jsonl"));
  EXPECT_FALSE(fs::exists(folder_ / "run"));
}

}  // namespace
}  // namespace lckv::test
