#include "lckv/eval/run_tasks.h"

#include <cmath>
#include <limits>

#include "harness_documents.h"
#include "lckv/base/error.h"
#include "lckv/eval/sample_log.h"
#include "lckv/test_support/refusal.h"
#include "written_files.h"

namespace lckv::eval {
namespace {

RunOptions short_options() {
  RunOptions options;
  options.max_inputs = 1000;
  options.bootstrap_resamples = 1000;
  return options;
}

using testing::ElementsAre;
using testing::HasSubstr;

/// Scores a row by its last token, so that prompts differ in a way that a reader can follow; rows
/// are greedy where that is 'y'.
std::vector<RequestScore> by_last_byte(std::span<const TokenPair> rows) {
  std::vector<RequestScore> scores;
  for (const TokenPair& row : rows) {
    scores.push_back({-static_cast<double>(row.tokens.back()), row.tokens.back() == 'y', ""});
  }
  return scores;
}

class RunTasks : public WrittenFiles {
 protected:
  TaskResult run(const char* task, const std::string& lines,
                 const ScoreRows& score = by_last_byte) {
    input_ = {&find_task(task), read(task, lines), {}};
    return run_task(input_, *data::bytes_tokenizer(), options_, score);
  }

  TaskInput input_;
  RunOptions options_ = short_options();
};

constexpr const char* kQuestions = R"({"query": "1", "choices": ["aa", "b"], "gold": 0, "kind": "k"}
{"query": "2", "choices": ["bbbb", "a"], "gold": 0}
{"query": "3", "choices": ["c", "d"]}
)";

TEST_F(RunTasks, ChoicesArePickedByTheirScoresAndPerCharacter) {
  const TaskResult result = run("questions", kQuestions);
  ASSERT_EQ(result.samples.size(), 3u);
  EXPECT_EQ(result.samples[0].answer->pick, 0u);       // -97 against -98
  EXPECT_EQ(result.samples[1].answer->pick, 1u);       // -98 against -97
  EXPECT_EQ(result.samples[1].answer->pick_norm, 0u);  // -98 / 4 against -97
  ASSERT_EQ(result.metrics.size(), 2u);
  EXPECT_EQ(result.metrics[0].estimate.value, 0.5);
  EXPECT_EQ(result.metrics[1].estimate.value, 1.0);
  EXPECT_EQ(result.rows, 6);
}

TEST_F(RunTasks, DocumentsWithoutARightAnswerCountInNoMetric) {
  const TaskResult result = run("questions", kQuestions);
  EXPECT_EQ(result.original, 3);
  EXPECT_EQ(result.scored, 2);
  EXPECT_EQ(result.errors, 0);
  const TaskResult none = run("questions", R"({"query": "3", "choices": ["c", "d"]})");
  EXPECT_EQ(none.scored, 0);
  EXPECT_TRUE(none.metrics.empty());
  EXPECT_EQ(none.samples[0].answer->pick, 0u);
}

TEST_F(RunTasks, KindsHaveTheirOwnAccuracy) {
  const TaskResult result = run("questions", kQuestions);
  ASSERT_EQ(result.by_kind.size(), 2u);
  const auto value = [&](const char* kind, size_t metric) {
    return result.by_kind.at(kind).metrics[metric].estimate.value;
  };
  EXPECT_EQ(value("k", 0), 1.0);
  EXPECT_EQ(value("", 0), 0.0);
  EXPECT_EQ(value("", 1), 1.0);
  EXPECT_EQ(result.by_kind.at("").scored, 1);  // one of the two has a right answer
  EXPECT_TRUE(run("piqa", kPiqa).by_kind.empty());
}

TEST_F(RunTasks, SamplesReadAsTextForPeople) {
  const TaskResult result = run("questions", kQuestions);
  EXPECT_EQ(to_text(input_.documents[0], result.samples[0]),
            "1\n  >   -97.000  aa  (right)\n      -98.000  b\n");
}

TEST_F(RunTasks, WinograndeComparesTheSumsOfOneSuffix) {
  std::vector<TokenPair> asked;
  const TaskResult result = run("winogrande", kWinogrande, [&](std::span<const TokenPair> rows) {
    asked.assign(rows.begin(), rows.end());
    std::vector<RequestScore> scores(rows.size());
    for (size_t i = 0; i < rows.size(); ++i) scores[i].ll = i % 2 == 0 ? -2.0 : -1.0;
    return scores;
  });
  ASSERT_EQ(asked.size(), 6u);
  EXPECT_EQ(asked[0].scored, asked[1].scored);
  EXPECT_EQ(result.metrics[0].estimate.value, 1.0 / 3);  // gold 1, 0, 0
}

TEST_F(RunTasks, LambadaIsRightWhereTheWordIsGreedy) {
  const TaskResult result = run("lambada_openai", "{\"text\": \"oh my\"}\n{\"text\": \"oh no\"}\n");
  EXPECT_EQ(result.metrics[0].metric, Metric::kPerplexity);
  EXPECT_NEAR(result.metrics[0].estimate.value, std::exp(116.0), std::exp(116.0) * 0x1p-50);
  EXPECT_TRUE(result.metrics[0].estimate.std_error.has_value());
  EXPECT_EQ(result.metrics[1].estimate.value, 0.5);
}

TEST_F(RunTasks, PagesAreTheSumsOfTheirWindows) {
  options_.max_inputs = 2;
  const TaskResult result = run("wikitext", "{\"page\": \"abc\"}\n{\"page\": \"a b\"}\n");
  // Windows end at b and c, and at the blank and b.
  EXPECT_EQ(result.samples[0].scores[0].ll, -98 - 99);
  EXPECT_EQ(result.samples[1].scores[0].ll, -32 - 98);
  EXPECT_EQ(result.rows, 4);
  EXPECT_EQ(result.tokens, 8);
  const double ll = -98 - 99 - 32 - 98;
  EXPECT_NEAR(result.metrics[0].estimate.value, std::exp(-ll / 3), std::exp(-ll / 3) * 0x1p-45);
  EXPECT_NEAR(result.metrics[2].estimate.value, -ll / 6 / std::log(2.0), 100 * 0x1p-52);
  EXPECT_EQ(result.metrics[0].estimate.std_error, std::nullopt);
}

TEST_F(RunTasks, ExamplesStandInFrontOfTheContexts) {
  options_.shots = 1;
  options_.limit = 1;
  input_ = {&find_task("piqa"), read("piqa", kPiqa), read("piqa", kPiqa)};
  std::string first;
  run_task(input_, *data::bytes_tokenizer(), options_, [&](std::span<const TokenPair> rows) {
    first = data::bytes_tokenizer()->decode(rows[0].tokens);
    return by_last_byte(rows);
  });
  EXPECT_EQ(first,
            "Question: Boil eggs\n\nAnswer: in water\n\nQuestion: Cut bread\nAnswer: with a knife");
}

TEST_F(RunTasks, AMissingScoreIsAnErrorAndNeverANumber) {
  const auto score = [](std::span<const TokenPair> rows) {
    auto scores = by_last_byte(rows);
    scores[0].error = "out of memory";
    scores[3].ll = std::numeric_limits<double>::quiet_NaN();
    return scores;
  };
  const TaskResult result = run("piqa", kPiqa, score);
  EXPECT_EQ(result.errors, 2);
  EXPECT_EQ(result.scored, 1);
  EXPECT_EQ(result.first_error, path("d.jsonl") + ":2: out of memory");
  EXPECT_EQ(result.samples[0].answer, std::nullopt);
  EXPECT_THAT(result.samples[1].error(), HasSubstr("the model scores it with nan"));
  EXPECT_EQ(result.samples[1].scores[1].ll, 0);
  EXPECT_TRUE(result.samples[2].answer.has_value());
}

TEST_F(RunTasks, APromptTooLongToAskIsAnErrorOfItsDocument) {
  options_.max_inputs = 12;
  const TaskResult result = run("piqa", kPiqa);
  // " with a spoon" has 13 bytes.
  EXPECT_EQ(result.errors, 2);
  EXPECT_EQ(result.scored, 1);
  EXPECT_THAT(result.first_error, HasSubstr("tokens, expected 1 to 12"));
}

TEST_F(RunTasks, RefusesATaskOfWhichNothingCouldBeScored) {
  options_.max_inputs = 2;
  test::expect_refusal<DataError>(
      [&] { run("piqa", kPiqa); },
      "task piqa: none of the 3 documents could be scored; the first: " + path("d.jsonl") +
          ":2: the continuation ' with a knife'");
}

TEST_F(RunTasks, RunsTasksInTheirOrder) {
  const std::vector<TaskInput> inputs = {{&find_task("piqa"), read("piqa", kPiqa), {}},
                                         {&find_task("arc_easy"), read("arc_easy", kArc), {}}};
  const auto results = run_tasks(inputs, *data::bytes_tokenizer(), options_, by_last_byte);
  ASSERT_EQ(results.size(), 2u);
  EXPECT_EQ(results[0].task->name, "piqa");
  EXPECT_EQ(results[1].rows, 12);
}

TEST(DocumentsToAsk, AreTheFirstOrAPartRoundedUp) {
  EXPECT_EQ(documents_to_ask({}, 10), 10u);
  EXPECT_EQ(documents_to_ask(3, 10), 3u);
  EXPECT_EQ(documents_to_ask(30, 10), 10u);
  EXPECT_EQ(documents_to_ask(1, 10), 1u);
  EXPECT_EQ(documents_to_ask(0.25, 10), 3u);
  EXPECT_EQ(documents_to_ask(0.001, 10), 1u);
  for (const double limit : {0.0, -1.0, 1.5, std::nan(""), 1e300}) {
    test::expect_refusal<ConfigError>(
        [&] { documents_to_ask(limit, 10); },
        "expected a number of documents, or a part of them in (0, 1)");
  }
}

}  // namespace
}  // namespace lckv::eval
