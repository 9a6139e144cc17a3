#include <cmath>
#include <limits>

#include <gmock/gmock.h>

#include "five_questions.h"
#include "lckv/base/error.h"
#include "lckv/test_support/refusal.h"
#include "tiny_model.h"

namespace lckv::eval {
namespace {

/// Tasks and a model, from texts to metrics.
class AskedModel : public testing::Test {
 protected:
  TaskResult answer(int64_t batch_tokens = 4 * 30, Compat compat = Compat::kLmEvalHead) {
    return answer_questions(stream_, config_, weights_.set(), questions_,
                            {.mode = ForwardMode::iterate(4), .batch_tokens = batch_tokens},
                            compat);
  }

  config::ModelConfig config_ = tiny_config();
  TinyWeights weights_{config_};
  std::vector<Document> questions_ = five_questions();
  Stream stream_;
};

TEST_F(AskedModel, ScoresAreItsLogProbabilitiesOfTheContinuation) {
  for (const Compat compat : {Compat::kLmEval045, Compat::kLmEvalHead}) {
    const TaskResult result = answer(3 * 30, compat);
    ASSERT_EQ(result.samples.size(), questions_.size());
    for (size_t q = 0; q < questions_.size(); ++q) {
      for (size_t c = 0; c < questions_[q].choices.size(); ++c) {
        const Prompt& prompt = questions_[q].prompts[c];
        const TokenPair row = encode_pair(*data::bytes_tokenizer(), prompt.context,
                                          prompt.continuation, {compat == Compat::kLmEvalHead, 64});
        const int64_t T = row.inputs();
        std::vector<int32_t> targets(static_cast<size_t>(T), -1);
        std::copy(row.tokens.end() - row.scored, row.tokens.end(), targets.end() - row.scored);
        // Unpadded, alone; no more passes than tokens change anything.
        PlainScorer plain(config_, weights_.set(), T, 4);
        const double nll = plain.nll(std::span(row.tokens).first(static_cast<size_t>(T)), targets);
        EXPECT_NEAR(result.samples[q].scores[c].ll, -nll, rounding_bound(nll, 10)) << q << " " << c;
      }
    }
  }
}

TEST_F(AskedModel, CountsPicksPerCharacterOnTheirOwn) {
  const TaskResult first = answer();
  int64_t same = 0;
  for (size_t q = 0; q < questions_.size(); ++q) {
    questions_[q].gold = first.samples[q].answer->pick_norm;
    same += first.samples[q].answer->pick == first.samples[q].answer->pick_norm ? 1 : 0;
  }
  ASSERT_LT(same, 5) << "the questions must tell the two apart";
  const TaskResult result = answer();
  EXPECT_DOUBLE_EQ(accuracy(result, 0), static_cast<double>(same) / 5);
  EXPECT_DOUBLE_EQ(accuracy(result, 1), 1);
}

TEST_F(AskedModel, CountsAllQuestionsAndEachKind) {
  const TaskResult first = answer();
  // Make every pick right, then one wrong.
  for (size_t q = 0; q < questions_.size(); ++q) {
    if (questions_[q].gold) questions_[q].gold = first.samples[q].answer->pick;
  }
  questions_[1].gold = 1 - first.samples[1].answer->pick;
  const TaskResult result = answer();
  EXPECT_EQ(result.scored, 4);
  EXPECT_EQ(accuracy(result), 0.75);
  EXPECT_DOUBLE_EQ(*result.metrics[0].estimate.std_error, 0.25);
  EXPECT_EQ(result.by_kind.size(), 3u);
  EXPECT_EQ(result.by_kind.at("who").metrics[0].estimate.value, 0.5);
  EXPECT_EQ(result.by_kind.at("where").metrics[0].estimate.value, 1);
  EXPECT_EQ(result.by_kind.at("what").scored, 1);  // the one without gold does not count
}

TEST_F(AskedModel, AnswersNoDocumentWhoseContinuationIsTooLong) {
  questions_[2] = question("What?", {"x", std::string(200, 'y')}, 1, "what", "q:3");
  const TaskResult result = answer();
  EXPECT_EQ(result.errors, 1);
  EXPECT_EQ(result.scored, 3);
  EXPECT_THAT(result.first_error, testing::HasSubstr("q:3: "));
  EXPECT_THAT(result.first_error, testing::HasSubstr("has 201 tokens, expected 1 to 64"));
}

TEST_F(AskedModel, RefusesScoresThatAreNotFinite) {
  weights_.set().norm().data<double>()[0] = std::numeric_limits<double>::quiet_NaN();
  test::expect_refusal<DataError>([&] { answer(); }, "q:1: the model scores it with");
}

TEST_F(AskedModel, StopsBetweenBatches) {
  const std::atomic<bool> stop = true;
  EXPECT_THROW(answer_questions(stream_, config_, weights_.set(), questions_, {},
                                Compat::kLmEvalHead, &stop),
               Interrupted);
}

TEST_F(AskedModel, ScoresInPartsAsAtOnce) {
  std::vector<TokenPair> rows;
  for (const Document& document : questions_) {
    for (const Prompt& prompt : document.prompts) {
      rows.push_back(
          encode_pair(*data::bytes_tokenizer(), prompt.context, prompt.continuation, {true, 64}));
    }
  }
  const RowScorer::Options options{.mode = ForwardMode::iterate(4), .batch_tokens = 90};
  RowScorer whole(config_, weights_.set(), options), parts(config_, weights_.set(), options);
  std::vector<size_t> told;
  const auto found =
      score_in_parts(stream_, parts, rows, 70, nullptr, [&](size_t done, size_t all) {
        EXPECT_EQ(all, rows.size());
        told.push_back(done);
      });
  const auto expected = whole.score(stream_, rows);
  ASSERT_EQ(found.size(), expected.size());
  for (size_t i = 0; i < found.size(); ++i) {
    EXPECT_NEAR(found[i].ll, expected[i].ll, rounding_bound(-expected[i].ll, 10));
  }
  EXPECT_GT(told.size(), 2u);
  EXPECT_EQ(told.back(), rows.size());
  EXPECT_EQ(parts.work().row_tokens, whole.work().row_tokens);
}

}  // namespace
}  // namespace lckv::eval
