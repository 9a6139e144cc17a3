#pragma once

#include <span>
#include <string>
#include <vector>

#include "lckv/data/tokenizer.h"
#include "lckv/infer/request.h"
#include "lckv/infer/text_stream.h"

namespace lckv::infer {

/// One sample of a request in the making: what is known of it beside its keys and values.
class Continuation {
 public:
  /// `request` and `tokenizer` (may be nullptr: no text) outlive it.
  Continuation(const Request& request, int64_t sample, const data::Tokenizer* tokenizer);

  const Request& request() const { return request_; }
  /// Prompt and what was generated.
  const std::vector<int32_t>& tokens() const { return tokens_; }
  int64_t generated() const { return std::ssize(completion_.tokens); }
  /// Tokens that must not come next.
  std::vector<int32_t> forbidden() const;
  Draw next_draw() const;

  /// The next token. Returns the text that has become certain.
  std::string accept(int32_t token);
  /// Ends it where it is. Returns the text that was held back.
  std::string interrupt();
  bool is_done() const { return done_; }

  /// Tokens, text and the reason of the end are there when is_done(); the rest is the caller's.
  Completion& completion() { return completion_; }

 private:
  bool may_end() const { return generated() >= request_.min_new_tokens; }
  std::string end(StopType type);

  const Request& request_;
  std::vector<int32_t> tokens_;
  std::vector<TextStream> text_;  // one, or none without a tokenizer
  bool done_ = false;
  Completion completion_;
};

}  // namespace lckv::infer
