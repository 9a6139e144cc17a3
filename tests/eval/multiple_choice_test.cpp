#include "lckv/eval/multiple_choice.h"

#include <cmath>
#include <limits>

#include "five_questions.h"
#include "lckv/base/error.h"
#include "lckv/eval/token_pair.h"
#include "lckv/test_support/refusal.h"
#include "tiny_model.h"

namespace lckv::eval {
namespace {

class MultipleChoice : public testing::Test {
 protected:
  MultipleChoiceResult answer(const MultipleChoiceOptions& options) {
    return answer_questions(stream_, config_, weights_.set(), *tokenizer_, questions_, options);
  }

  config::ModelConfig config_ = tiny_config();
  TinyWeights weights_{config_};
  std::shared_ptr<const data::Tokenizer> tokenizer_ = data::bytes_tokenizer();
  std::vector<Question> questions_ = five_questions();
  Stream stream_;
};

TEST_F(MultipleChoice, ScoresAreTheModelsLogProbabilitiesOfTheContinuation) {
  for (const bool bos : {true, false}) {
    const MultipleChoiceResult result = answer({bos, 3, ForwardMode::iterate(4)});
    EXPECT_EQ(result.bos, bos);
    EXPECT_EQ(result.forward_mode, "iterate:4");
    ASSERT_EQ(result.answers.size(), questions_.size());
    for (size_t q = 0; q < questions_.size(); ++q) {
      for (size_t c = 0; c < questions_[q].choices.size(); ++c) {
        const TokenPair row = encode_pair(*tokenizer_, questions_[q].query,
                                          " " + questions_[q].choices[c], {bos, 64});
        const int64_t T = row.inputs();
        std::vector<int32_t> targets(static_cast<size_t>(T), -1);
        std::copy(row.tokens.end() - row.scored, row.tokens.end(), targets.end() - row.scored);
        // Unpadded, alone; no more passes than tokens change anything.
        PlainScorer plain(config_, weights_.set(), T, 4);
        const double nll = plain.nll(std::span(row.tokens).first(static_cast<size_t>(T)), targets);
        EXPECT_NEAR(result.answers[q].scores[c], -nll, rounding_bound(nll, 10)) << q << " " << c;
      }
    }
  }
}

TEST_F(MultipleChoice, ScoresDoNotDependOnTheBatch) {
  for (const auto& [dtype, eps] :
       {std::pair(DType::kF64, 0x1p-53), std::pair(DType::kF32, 0x1p-24)}) {
    const TinyWeights weights(config_, dtype);
    const auto scores_of = [&](int64_t rows) {
      return answer_questions(stream_, config_, weights.set(), *tokenizer_, questions_,
                              {true, rows, ForwardMode::iterate(4)});
    };
    const MultipleChoiceResult one = scores_of(1), four = scores_of(4);
    for (size_t q = 0; q < questions_.size(); ++q) {
      for (size_t c = 0; c < one.answers[q].scores.size(); ++c) {
        const double score = one.answers[q].scores[c];
        EXPECT_NEAR(four.answers[q].scores[c], score, rounding_bound(-score, 10, eps));
      }
    }
  }
}

TEST_F(MultipleChoice, CountsPicksPerCharacterOnTheirOwn) {
  const MultipleChoiceOptions options{true, 4, ForwardMode::iterate(4)};
  const MultipleChoiceResult first = answer(options);
  int64_t same = 0;
  for (size_t q = 0; q < questions_.size(); ++q) {
    questions_[q].gold = first.answers[q].pick_norm;
    same += first.answers[q].pick == first.answers[q].pick_norm ? 1 : 0;
  }
  ASSERT_LT(same, 5) << "the questions must tell the two apart";
  const MultipleChoiceResult result = answer(options);
  EXPECT_EQ(result.all.acc, proportion(same, 5));
  EXPECT_EQ(result.all.acc_norm, proportion(5, 5));
}

TEST_F(MultipleChoice, CountsAllQuestionsAndEachKind) {
  auto result = answer({true, 4, ForwardMode::iterate(4)});
  // Make every pick right, then one wrong.
  for (size_t q = 0; q < questions_.size(); ++q) {
    if (questions_[q].gold) questions_[q].gold = result.answers[q].pick;
  }
  questions_[1].gold = 1 - result.answers[1].pick;
  result = answer({true, 4, ForwardMode::iterate(4)});
  EXPECT_EQ(result.all.acc.n, 4);
  EXPECT_EQ(result.all.acc.mean, 0.75);
  EXPECT_DOUBLE_EQ(*result.all.acc.std_error, 0.25);
  EXPECT_EQ(result.by_kind.size(), 3u);
  EXPECT_EQ(result.by_kind.at("who").acc.mean, 0.5);
  EXPECT_EQ(result.by_kind.at("where").acc.mean, 1);
  EXPECT_EQ(result.by_kind.at("what").acc.n, 1);  // the one without gold does not count
}

TEST_F(MultipleChoice, NamesTheQuestionThatCannotBeScored) {
  questions_[2].choices[1] = std::string(200, 'y');
  test::expect_refusal<DataError>(
      [&] {
        answer({true, 4, ForwardMode::iterate(1)});
      },
      "has 201 tokens, expected 1 to 64");
  test::expect_refusal<DataError>([&] { answer({true, 4, ForwardMode::iterate(1)}); }, "q:3: ");
}

TEST_F(MultipleChoice, RefusesScoresThatAreNotFinite) {
  weights_.set().norm().data<double>()[0] = std::numeric_limits<double>::quiet_NaN();
  test::expect_refusal<DataError>(
      [&] {
        answer({true, 4, ForwardMode::iterate(1)});
      },
      "q:1: the model scores choice 0 'the mat' with");
}

TEST_F(MultipleChoice, RefusesATokenizerLargerThanTheModel) {
  config_.vocab_size = 257;
  const TinyWeights smaller(config_);
  test::expect_refusal<DataError>(
      [&] { answer_questions(stream_, config_, smaller.set(), *tokenizer_, questions_, {}); },
      "the tokenizer has 258 tokens, the model's vocabulary 257");
}

TEST_F(MultipleChoice, StopsBetweenBatches) {
  const std::atomic<bool> stop = true;
  EXPECT_THROW(
      answer_questions(stream_, config_, weights_.set(), *tokenizer_, questions_, {}, &stop),
      Interrupted);
}

TEST_F(MultipleChoice, ShowsAQuestionForPeople) {
  const Answer answer = make_answer({-3, -1.5}, {"Ida", "Größe"});
  EXPECT_EQ(to_text(questions_[1], answer),
            "Who?\n       -3.000  Ida  (right)\n  >    -1.500  Größe\n");
}

}  // namespace
}  // namespace lckv::eval
