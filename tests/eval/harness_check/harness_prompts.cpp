#include "harness_prompts.h"

#include "lckv/base/text.h"
#include "lckv/data/sha256.h"
#include "lckv/data/tokenizer.h"
#include "lckv/data/utf8.h"
#include "lckv/eval/python_random.h"

namespace lckv::eval {

namespace {

std::string json_character(const data::Utf8Character& character) {
  const uint32_t c = character.code_point;
  switch (c) {
    case '"':
      return "\\\"";
    case '\\':
      return "\\\\";
    case '\n':
      return "\\n";
    case '\t':
      return "\\t";
    default:
      break;
  }
  if (c >= 0x20 && c < 0x7F) return {static_cast<char>(c)};
  if (c < 0x10000) return format("\\u{:04x}", c);
  return format("\\u{:04x}\\u{:04x}", 0xD800 + ((c - 0x10000) >> 10), 0xDC00 + (c & 0x3FF));
}

std::string json_text(const std::string& text) {
  std::string json = "\"";
  for (size_t at = 0; at < text.size();) {
    const data::Utf8Character character = data::utf8_character(text, at);
    json += json_character(character);
    at += character.size_bytes;
  }
  return json + "\"";
}

}  // namespace

std::string prompts_hash(const std::vector<Document>& documents) {
  std::string json = "[";
  for (const Document& document : documents) {
    for (const Prompt& prompt : document.prompts) {
      json += json.size() > 1 ? ", " : "";
      json += "[" + json_text(prompt.context) + ", " + json_text(prompt.continuation) + "]";
    }
  }
  return data::sha256_hex(json + "]");
}

TaskResult score_at_random(const TaskInput& input) {
  PythonRandom random(42);
  const auto score = [&](std::span<const TokenPair> rows) {
    std::vector<RequestScore> scores(rows.size());
    for (RequestScore& own : scores) own.ll = -random.uniform();
    return scores;
  };
  RunOptions options;
  options.max_inputs = 4096;
  return run_task(input, *data::bytes_tokenizer(), options, score);
}

}  // namespace lckv::eval
