#include "lckv/infer/continuation.h"

#include <algorithm>

#include "lckv/base/error.h"
#include "lckv/base/text.h"

namespace lckv::infer {

namespace {

bool contains(const std::vector<int32_t>& ids, int32_t id) {
  return std::find(ids.begin(), ids.end(), id) != ids.end();
}

}  // namespace

const char* name(StopType type) {
  switch (type) {
    case StopType::kLimit:
      return "limit";
    case StopType::kEos:
      return "eos";
    case StopType::kId:
      return "id";
    case StopType::kWord:
      return "word";
    case StopType::kInterrupted:
      return "interrupted";
  }
  return "";
}

Continuation::Continuation(const Request& request, int64_t sample, const data::Tokenizer* tokenizer)
    : request_(request), tokens_(request.prompt) {
  LCKV_CHECK(tokenizer || request.stops.strings.empty(), "stop strings without a tokenizer");
  if (tokenizer) text_.emplace_back(*tokenizer, request.prompt, request.stops.strings);
  completion_.sample = sample;
  completion_.prompt_tokens = std::ssize(request.prompt);
}

std::vector<int32_t> Continuation::forbidden() const {
  const StopRules& stops = request_.stops;
  const bool too_early = generated() < request_.min_new_tokens;
  std::vector<int32_t> ids;
  if (stops.ignore_eos || too_early) ids = stops.eos_ids;
  if (too_early) ids.insert(ids.end(), stops.ids.begin(), stops.ids.end());
  return ids;
}

Draw Continuation::next_draw() const {
  return {request_.sampling.seed,
          (request_.number << 32) | static_cast<uint64_t>(completion_.sample), std::ssize(tokens_)};
}

std::string Continuation::accept(int32_t token) {
  LCKV_CHECK(!done_, format("token {} after the end of a text", token));
  tokens_.push_back(token);
  completion_.tokens.push_back(token);
  const StopRules& stops = request_.stops;
  if (contains(stops.eos_ids, token)) return end(StopType::kEos);
  if (contains(stops.ids, token)) return end(StopType::kId);
  std::string text;
  if (!text_.empty()) {
    text = text_.front().add(token, may_end());
    if (text_.front().has_stopped()) return text + end(StopType::kWord);
  }
  if (generated() >= request_.max_new_tokens) text += end(StopType::kLimit);
  return text;
}

std::string Continuation::interrupt() { return end(StopType::kInterrupted); }

std::string Continuation::end(StopType type) {
  done_ = true;
  completion_.stop = type;
  if (text_.empty()) return "";
  std::string rest = text_.front().finish();
  if (text_.front().has_stopped()) {
    completion_.stop = StopType::kWord;
    completion_.stopping_word = text_.front().stopping_word();
  }
  completion_.text = text_.front().text();
  return rest;
}

}  // namespace lckv::infer
