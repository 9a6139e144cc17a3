#include "lckv/eval/perplexity_rows.h"

#include <algorithm>
#include <span>

#include "lckv/base/error.h"
#include "lckv/base/text.h"
#include "lckv/eval/windows.h"

namespace lckv::eval {

namespace {

using Kind = PerplexityMode::Kind;

/// Tokens of a block of which one at least is scored.
int64_t least_block(Kind kind) {
  if (kind == Kind::kLlamacpp) return 4;
  return kind == Kind::kBlocks ? 2 : 1;
}

void add(std::vector<TokenPair>& rows, std::vector<TokenPair> more) {
  rows.insert(rows.end(), std::make_move_iterator(more.begin()),
              std::make_move_iterator(more.end()));
}

/// The row of columns [begin, end) of a sequence, which see each other alone: its inputs are those
/// whose targets are scored.
TokenPair segment(std::span<const int32_t> tokens, std::span<const int32_t> targets, size_t begin,
                  size_t end) {
  TokenPair row{
      {tokens.begin() + static_cast<int64_t>(begin), tokens.begin() + static_cast<int64_t>(end)},
      0};
  const int32_t last = targets[end - 1];
  if (last != data::kIgnore) row.tokens.push_back(last);
  row.scored = row.inputs();
  return row;
}

std::vector<TokenPair> rows_of_sequence(std::span<const int32_t> tokens,
                                        std::span<const int32_t> targets,
                                        std::span<const int32_t> first_key) {
  std::vector<TokenPair> rows;
  size_t begin = 0;
  for (size_t at = 1; at <= tokens.size(); ++at) {
    const bool starts =
        at == tokens.size() || (!first_key.empty() && first_key[at] == static_cast<int32_t>(at));
    if (!starts) continue;
    TokenPair row = segment(tokens, targets, begin, at);
    if (row.scored > 0) rows.push_back(std::move(row));
    begin = at;
  }
  return rows;
}

std::span<const int32_t> document(const TokenText& text, size_t index) {
  const auto begin = static_cast<size_t>(text.document_starts[index]);
  const bool is_last = index + 1 == text.document_starts.size();
  const auto end =
      is_last ? text.tokens.size() : static_cast<size_t>(text.document_starts[index + 1]);
  return std::span(text.tokens).subspan(begin, end - begin);
}

int32_t prefix_of(const TokenText& text) {
  if (text.bos) return *text.bos;
  if (text.eos) return *text.eos;
  throw DataError("the tokenizer has neither BOS nor EOS to stand before a document's first token");
}

std::vector<TokenPair> rolling_rows(const TokenText& text, int64_t T) {
  const int32_t prefix = prefix_of(text);
  std::vector<TokenPair> rows;
  for (size_t i = 0; i < text.document_starts.size(); ++i) {
    std::span<const int32_t> tokens = document(text, i);
    if (!tokens.empty() && text.bos && tokens.front() == *text.bos) tokens = tokens.subspan(1);
    add(rows, rolling_windows(tokens, prefix, T));
  }
  return rows;
}

void require_size(const PerplexityMode& mode, int64_t T) {
  if (mode.kind == Kind::kSliding && (mode.stride > T || T < 2)) {
    throw ConfigError(format("perplexity mode {}: a stride is at most T = {}, of 2 tokens or more",
                             mode.text(), T));
  }
  const int64_t least = least_block(mode.kind);
  if (T < least) {
    throw ConfigError(format("perplexity mode {}: blocks of T = {} tokens, expected at least {}",
                             mode.text(), T, least));
  }
}

}  // namespace

std::vector<TokenPair> rows_of(const data::Batch& batch) {
  std::vector<TokenPair> rows;
  const auto T = static_cast<size_t>(batch.T);
  for (size_t b = 0; b < static_cast<size_t>(batch.B); ++b) {
    const auto own = [&](const std::vector<int32_t>& all) {
      return all.empty() ? std::span<const int32_t>() : std::span(all).subspan(b * T, T);
    };
    add(rows, rows_of_sequence(own(batch.tokens), own(batch.targets), own(batch.first_key)));
  }
  return rows;
}

std::vector<TokenPair> rows_of(data::ValidationLoader& loader) {
  std::vector<TokenPair> rows;
  loader.rewind();
  while (const auto batch = loader.next()) add(rows, rows_of(*batch));
  return rows;
}

std::vector<TokenPair> rows_of(const TokenText& text, const PerplexityMode& mode, int64_t T) {
  require_size(mode, T);
  switch (mode.kind) {
    case Kind::kNonoverlap:
      break;
    case Kind::kBlocks:
      return block_windows(text.tokens, T);
    case Kind::kRolling:
      return rolling_rows(text, T);
    case Kind::kSliding:
      return sliding_windows(text.tokens, T, mode.stride);
    case Kind::kLlamacpp:
      if (!text.bos) throw DataError("the tokenizer has no BOS for the blocks to begin with");
      return llamacpp_windows(text.tokens, *text.bos, T);
  }
  LCKV_CHECK(false, "a store's sequences are its loader's");
  return {};
}

std::string bos_handling(const PerplexityMode& mode) {
  switch (mode.kind) {
    case Kind::kNonoverlap:
    case Kind::kBlocks:
    case Kind::kSliding:
      return "as in the text";
    case Kind::kRolling:
      return "in front of every document";
    case Kind::kLlamacpp:
      return "in place of every block's first token";
  }
  return "";
}

}  // namespace lckv::eval
