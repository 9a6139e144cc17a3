#pragma once

#include <atomic>
#include <map>
#include <span>
#include <string>
#include <vector>

#include "lckv/comm/communicators.h"
#include "lckv/data/tokenizer.h"
#include "lckv/eval/accuracy.h"
#include "lckv/eval/forward_mode.h"
#include "lckv/eval/question.h"
#include "lckv/model/parameter_set.h"
#include "lckv/tensor/stream.h"

namespace lckv::eval {

struct MultipleChoiceOptions {
  bool bos = true;  // in front of every query when the tokenizer has one, as in front of training
                    // documents
  int64_t batch_rows = 8;  // continuations scored by one forward
  ForwardMode mode = ForwardMode::iterate(1);
  // the grid's; copies of the model take batches in turn
  const comm::Communicators* ranks = &comm::single_process();
};

struct MultipleChoiceResult {
  std::string forward_mode;
  bool bos = false;             // whether BOS stood in front of the queries
  std::vector<Answer> answers;  // one per question, in their order
  Accuracy all;
  std::map<std::string, Accuracy> by_kind;
  double elapsed_s = 0;
};

/// Answers every question by the largest sum of log-probabilities of " " + choice after the query.
///
///   log p(choice) = sum over the tokens of " " + choice of log softmax(logits before the
///   token)[token]
///
/// Tokens are split as encode_pair() does, with at most max_position_embeddings inputs. Weights,
/// this rank's share, are read in place. Collective over the grid, with equal questions and
/// tokenizer; the same bits on every rank, and for every number of copies. Throws DataError naming
/// the question when a choice cannot be scored or a score is not finite, or when the tokenizer has
/// more tokens than the model; Interrupted when `stop` becomes true on any rank; on all ranks
/// alike.
MultipleChoiceResult answer_questions(Stream& stream, const config::ModelConfig& config,
                                      const model::ParameterSet& weights,
                                      const data::Tokenizer& tokenizer,
                                      std::span<const Question> questions,
                                      const MultipleChoiceOptions& options,
                                      const std::atomic<bool>* stop = nullptr);

/// A question with its choices, their scores, the pick and the right one, for people to read.
std::string to_text(const Question& question, const Answer& answer);

}  // namespace lckv::eval
