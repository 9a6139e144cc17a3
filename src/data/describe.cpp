#include "lckv/data/describe.h"

#include <algorithm>
#include <filesystem>

#include "lckv/base/text.h"
#include "lckv/data/token_store_format.h"

namespace lckv::data {

namespace {

constexpr int64_t kShownTokens = 40;

std::string first_pieces(const TokenStore& store) {
  const auto tokenizer = store.tokenizer();
  std::vector<int32_t> ids(static_cast<size_t>(std::min(kShownTokens, store.info().tokens)));
  store.read(0, ids);
  std::string shown;
  for (const int32_t id : ids) shown += tokenizer->piece(id);
  return shown;
}

std::string id_or_none(int32_t id) { return id < 0 ? "none" : std::to_string(id); }

}  // namespace

StoreFacts describe(const std::string& path) {
  const TokenStore store(path);
  StoreFacts facts;
  facts.info = store.info();
  facts.file_bytes = static_cast<int64_t>(std::filesystem::file_size(path));
  facts.bytes_per_token = format_v1::uses_uint16(facts.info.vocab_size) ? 2 : 4;
  facts.shortest_document_tokens = facts.info.tokens;
  const std::vector<int64_t>& starts = store.document_starts();
  for (size_t i = 0; i + 1 < starts.size(); ++i) {
    const int64_t length = starts[i + 1] - starts[i];
    facts.shortest_document_tokens = std::min(facts.shortest_document_tokens, length);
    facts.longest_document_tokens = std::max(facts.longest_document_tokens, length);
  }
  facts.mean_document_tokens = static_cast<double>(facts.info.tokens) /
                               static_cast<double>(std::max<int64_t>(facts.info.documents, 1));
  facts.beginning = first_pieces(store);
  return facts;
}

std::string to_text(const StoreFacts& facts) {
  const TokenStoreInfo& info = facts.info;
  std::string text;
  const auto line = [&](const char* name, const std::string& value) {
    text += format("{:<12}{}\n", name, value);
  };
  line("tokens", format("{} ({} bytes each)", with_thousands(info.tokens), facts.bytes_per_token));
  line("documents", format("{} of {} to {} tokens, {:.1f} on average",
                           with_thousands(info.documents), facts.shortest_document_tokens,
                           facts.longest_document_tokens, facts.mean_document_tokens));
  line("file", human_bytes(static_cast<double>(facts.file_bytes)));
  line("vocabulary", format("{}, BOS {}, EOS {}", info.vocab_size, id_or_none(info.bos_id),
                            id_or_none(info.eos_id)));
  line("tokenizer", format("{}, SHA-256 {}", info.tokenizer_kind, info.tokenizer_sha256));
  line("begins", facts.beginning);
  return text;
}

}  // namespace lckv::data
