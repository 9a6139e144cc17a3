#pragma once

#include <optional>
#include <string>
#include <vector>

#include "lckv/eval/run_tasks.h"
#include "lckv/eval/score_rows.h"

namespace lckv::eval {

inline Document question(const std::string& query, const std::vector<std::string>& choices,
                         std::optional<size_t> gold, const std::string& kind,
                         const std::string& place) {
  Document document;
  for (const std::string& choice : choices) document.prompts.push_back({query, " " + choice});
  document.choices = choices;
  document.gold = gold;
  document.kind = kind;
  document.place = place;
  document.json = "{}";
  return document;
}

/// Eleven rows, some with no scored token in common.
inline std::vector<Document> five_questions() {
  return {
      question("A cat sits on", {"the mat", "it", "a long wooden table by the door"}, 1, "where",
               "q:1"),
      question("Who?", {"Ida", "Größe"}, 0, "who", "q:2"),
      question("A much longer question, told in many words, about", {"x", "y"}, 1, "what", "q:3"),
      question("", {"no", "yes"}, std::nullopt, "what", "q:4"),
      question("Why ", {"because of it", "so"}, 0, "who", "q:5"),
  };
}

/// What a model answers.
inline TaskResult answer_questions(Stream& stream, const config::ModelConfig& config,
                                   const model::ParameterSet& weights,
                                   const std::vector<Document>& questions,
                                   const RowScorer::Options& scoring,
                                   Compat compat = Compat::kLmEvalHead,
                                   const std::atomic<bool>* stop = nullptr) {
  RunOptions options;
  options.compat = compat;
  options.max_inputs = config.max_position_embeddings;
  RowScorer scorer(config, weights, scoring);
  return run_task(
      {&find_task("questions"), questions, {}}, *data::bytes_tokenizer(), options,
      [&](std::span<const TokenPair> rows) { return scorer.score(stream, rows, stop); });
}

inline double accuracy(const TaskResult& result, size_t metric = 0) {
  return result.metrics[metric].estimate.value;
}

}  // namespace lckv::eval
