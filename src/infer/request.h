#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "lckv/infer/sampler.h"
#include "lckv/infer/sampling_options.h"

namespace lckv::infer {

/// What ends a text before its limit.
struct StopRules {
  std::vector<std::string> strings;  // the text ends before one; need a tokenizer
  std::vector<int32_t> ids;          // the text ends before one
  std::vector<int32_t> eos_ids;
  bool ignore_eos = false;  // EOS never comes: its probability is 0
};

struct Request {
  std::vector<int32_t> prompt;  // one token or more
  int64_t samples = 1;          // continuations, drawn apart
  int64_t max_new_tokens = 1;   // of each; 1 or more
  int64_t min_new_tokens = 0;   // of each, before anything may end it
  uint64_t number = 0;          // below 2^32, of its own among all: names its random numbers
  SamplingOptions sampling;
  StopRules stops;
  int64_t logprobs = 0;  // likeliest tokens to report at each place; 0: nothing
};

enum class StopType : uint8_t {
  kLimit,  // as many tokens as were asked for
  kEos,
  kId,          // one of StopRules::ids
  kWord,        // one of StopRules::strings
  kInterrupted  // the whole generation was stopped
};
const char* name(StopType type);  // "limit", "eos", "id", "word", "interrupted"

/// One sample of a request.
struct Completion {
  size_t request = 0;  // of those given
  int64_t sample = 0;
  std::vector<int32_t> tokens;  // all that were chosen; one that ended the text included
  std::vector<Logprobs> logprobs;
  std::string text;
  StopType stop = StopType::kLimit;
  std::string stopping_word;
  bool truncated = false;  // its beginning has left the window
  std::string prefill;     // Prefill::text()
  int64_t kv_bytes = 0;    // of the pages that it had at its end, shared ones too, on all ranks
  // Wall time, in which other sequences were computed too.
  int64_t prompt_tokens = 0;
  double prompt_ms = 0;     // from its admission to its first token
  double predicted_ms = 0;  // from there to its last
};

}  // namespace lckv::infer
