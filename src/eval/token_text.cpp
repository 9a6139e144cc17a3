#include "lckv/eval/token_text.h"

#include <algorithm>
#include <filesystem>

#include "lckv/base/activity.h"
#include "lckv/data/text_source.h"
#include "lckv/data/token_store.h"

namespace lckv::eval {

namespace {

constexpr int32_t kNone = -1;

std::optional<int32_t> present(int32_t id) {
  return id == kNone ? std::nullopt : std::optional(id);
}

}  // namespace

TokenText read_token_store(const std::string& path, int64_t max_tokens) {
  const data::TokenStore store(path);
  const data::TokenStoreInfo& info = store.info();
  TokenText text;
  const int64_t count = max_tokens > 0 ? std::min(max_tokens, info.tokens) : info.tokens;
  text.tokens.resize(static_cast<size_t>(count));
  store.read(0, text.tokens);
  for (const int64_t start : store.document_starts()) {
    if (start < count) text.document_starts.push_back(start);
  }
  text.bos = present(info.bos_id);
  text.eos = present(info.eos_id);
  text.vocab_size = info.vocab_size;
  return text;
}

TokenText encode_text_files(const std::string& input, const data::Tokenizer& tokenizer,
                            int64_t max_tokens) {
  TokenText text;
  text.bos = tokenizer.bos_id();
  text.eos = tokenizer.eos_id();
  text.vocab_size = tokenizer.vocab_size();
  data::TextSource source(data::expand_inputs({input}), {.piece_bytes = 0});
  data::TextPiece document;
  const auto is_full = [&] { return max_tokens > 0 && std::ssize(text.tokens) >= max_tokens; };
  while (!is_full() && source.next(document)) {
    text.document_starts.push_back(std::ssize(text.tokens));
    if (text.bos) text.tokens.push_back(*text.bos);
    const std::vector<int32_t> ids = tokenizer.encode(document.text);
    text.tokens.insert(text.tokens.end(), ids.begin(), ids.end());
    note_progress();
  }
  if (is_full()) text.tokens.resize(static_cast<size_t>(max_tokens));
  return text;
}

bool is_text(const std::string& path) {
  if (std::filesystem::is_directory(path)) return true;
  std::string_view name = path;
  for (const std::string_view packed : {".gz", ".zst"}) {
    if (name.ends_with(packed)) name.remove_suffix(packed.size());
  }
  return name.ends_with(".txt") || name.ends_with(".jsonl");
}

}  // namespace lckv::eval
