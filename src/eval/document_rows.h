#pragma once

#include <span>
#include <string>
#include <vector>

#include "lckv/data/tokenizer.h"
#include "lckv/eval/compat.h"
#include "lckv/eval/task.h"
#include "lckv/eval/token_pair.h"

namespace lckv::eval {

/// A prompt as rows of tokens: one, or a page's windows. None with an error.
struct PromptRows {
  std::vector<TokenPair> rows;
  std::string error;  // why it cannot be asked; "" when it can
};

struct RowOptions {
  Compat compat = Compat::kLmEval045;
  int64_t max_inputs = 0;  // of a row: the model's max_position_embeddings
  int threads = 1;
};

/// The rows of every prompt of every document, `prefixes[i]` in front of the contexts of document
/// i; the same for every number of threads.
std::vector<std::vector<PromptRows>> document_rows(const Task& task,
                                                   std::span<const Document> documents,
                                                   std::span<const std::string> prefixes,
                                                   const data::Tokenizer& tokenizer,
                                                   const RowOptions& options);

}  // namespace lckv::eval
