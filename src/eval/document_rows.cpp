#include "lckv/eval/document_rows.h"

#include "lckv/base/activity.h"
#include "lckv/base/error.h"
#include "lckv/data/ordered_work.h"
#include "lckv/eval/windows.h"

namespace lckv::eval {

namespace {

/// Encodes the prompts of one document; equal contexts once.
class Encoder {
 public:
  Encoder(const Task& task, const data::Tokenizer& tokenizer, const RowOptions& options)
      : task_(task),
        tokenizer_(tokenizer),
        pair_{options.compat == Compat::kLmEvalHead && tokenizer.bos_id().has_value(),
              options.max_inputs} {}

  std::vector<PromptRows> encode(const Document& document, const std::string& prefix) {
    std::vector<PromptRows> prompts;
    for (const Prompt& prompt : document.prompts) {
      try {
        prompts.push_back({rows(prefix + prompt.context, prompt.continuation), ""});
      } catch (const DataError& error) {
        prompts.push_back({{}, error.what()});
      }
    }
    return prompts;
  }

 private:
  std::vector<TokenPair> rows(const std::string& context, const std::string& continuation) {
    if (task_.output == OutputKind::kRolling) return page_rows(continuation);
    if (head_.empty() || context != context_) {
      head_ = encode_context(tokenizer_, context);
      context_ = context;
    }
    return {encode_pair(tokenizer_, context, head_, continuation, pair_)};
  }

  std::vector<TokenPair> page_rows(const std::string& page) const {
    std::vector<int32_t> tokens = tokenizer_.encode(page);
    if (pair_.bos) tokens.insert(tokens.begin(), *tokenizer_.bos_id());
    if (tokens.empty()) throw DataError("the page has no token");
    return rolling_windows(tokens, prefix_token(tokenizer_), pair_.max_inputs);
  }

  const Task& task_;
  const data::Tokenizer& tokenizer_;
  PairOptions pair_;
  std::string context_;
  std::vector<int32_t> head_;  // of context_
};

struct Item {
  size_t document = 0;
  std::vector<PromptRows> prompts;
};

}  // namespace

std::vector<std::vector<PromptRows>> document_rows(const Task& task,
                                                   std::span<const Document> documents,
                                                   std::span<const std::string> prefixes,
                                                   const data::Tokenizer& tokenizer,
                                                   const RowOptions& options) {
  LCKV_CHECK(prefixes.size() == documents.size(), "one prefix per document");
  size_t made = 0;
  data::OrderedWork<Item> work(
      options.threads, 64 * options.threads,
      [&]() -> std::optional<Item> {
        if (made == documents.size()) return std::nullopt;
        return Item{made++, {}};
      },
      [&](Item& item) {
        Encoder encoder(task, tokenizer, options);
        item.prompts = encoder.encode(documents[item.document], prefixes[item.document]);
      });
  std::vector<std::vector<PromptRows>> rows;
  while (auto item = work.next()) {
    rows.push_back(std::move(item->prompts));
    note_progress();
  }
  return rows;
}

}  // namespace lckv::eval
