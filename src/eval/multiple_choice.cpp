#include "lckv/eval/multiple_choice.h"

#include <cmath>

#include "lckv/base/clock.h"
#include "lckv/base/error.h"
#include "lckv/base/text.h"
#include "lckv/eval/row_scorer.h"

namespace lckv::eval {

namespace {

/// One row per choice, question after question.
std::vector<TokenPair> encode_all(std::span<const Question> questions,
                                  const data::Tokenizer& tokenizer, const PairOptions& options) {
  std::vector<TokenPair> rows;
  for (const Question& question : questions) {
    for (const std::string& choice : question.choices) {
      try {
        rows.push_back(encode_pair(tokenizer, question.query, " " + choice, options));
      } catch (const DataError& error) {
        throw DataError(format("{}: {}", question.place, error.what()));
      }
    }
  }
  return rows;
}

std::vector<Answer> make_answers(std::span<const Question> questions,
                                 std::span<const double> scores) {
  std::vector<Answer> answers;
  for (const Question& question : questions) {
    const auto own = scores.first(question.choices.size());
    scores = scores.subspan(own.size());
    for (size_t i = 0; i < own.size(); ++i) {
      if (!std::isfinite(own[i])) {
        throw DataError(format("{}: the model scores choice {} '{}' with {}", question.place, i,
                               question.choices[i], own[i]));
      }
    }
    answers.push_back(make_answer({own.begin(), own.end()}, question.choices));
  }
  return answers;
}

struct Count {
  int64_t n = 0, right = 0, right_norm = 0;

  void add(const Answer& answer, size_t gold) {
    ++n;
    right += answer.pick == gold ? 1 : 0;
    right_norm += answer.pick_norm == gold ? 1 : 0;
  }
  Accuracy accuracy() const { return {proportion(right, n), proportion(right_norm, n)}; }
};

void count_right_answers(std::span<const Question> questions, MultipleChoiceResult& result) {
  Count all;
  std::map<std::string, Count> by_kind;
  for (size_t q = 0; q < questions.size(); ++q) {
    if (!questions[q].gold) continue;
    all.add(result.answers[q], *questions[q].gold);
    by_kind[questions[q].kind].add(result.answers[q], *questions[q].gold);
  }
  result.all = all.accuracy();
  for (const auto& [kind, count] : by_kind) result.by_kind[kind] = count.accuracy();
}

}  // namespace

MultipleChoiceResult answer_questions(Stream& stream, const config::ModelConfig& config,
                                      const model::ParameterSet& weights,
                                      const data::Tokenizer& tokenizer,
                                      std::span<const Question> questions,
                                      const MultipleChoiceOptions& options,
                                      const std::atomic<bool>* stop) {
  if (tokenizer.vocab_size() > config.vocab_size) {
    throw DataError(format("the tokenizer has {} tokens, the model's vocabulary {}",
                           tokenizer.vocab_size(), config.vocab_size));
  }
  const Stopwatch watch;
  MultipleChoiceResult result;
  result.forward_mode = options.mode.text();
  result.bos = options.bos && tokenizer.bos_id().has_value();
  const std::vector<TokenPair> rows =
      encode_all(questions, tokenizer, {result.bos, config.max_position_embeddings});
  RowScorer scorer(config, weights, {options.batch_rows, options.mode, options.ranks});
  result.answers = make_answers(questions, scorer.score(stream, rows, stop));
  count_right_answers(questions, result);
  result.elapsed_s = watch.elapsed_s();
  return result;
}

std::string to_text(const Question& question, const Answer& answer) {
  std::string text = question.query + "\n";
  for (size_t i = 0; i < question.choices.size(); ++i) {
    text += format("  {} {:9.3f}  {}{}\n", i == answer.pick ? '>' : ' ', answer.scores[i],
                   question.choices[i], question.gold == i ? "  (right)" : "");
  }
  return text;
}

}  // namespace lckv::eval
