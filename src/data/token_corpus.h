#pragma once

#include <cstdint>
#include <span>
#include <string>
#include <vector>

#include "lckv/data/token_store.h"

namespace lckv::data {

/// Several token stores read as one stream of tokens, in the order given.
/// Throws what TokenStore throws; DataError when the tokenizers differ.
class TokenCorpus {
 public:
  explicit TokenCorpus(const std::vector<std::string>& paths);

  int64_t token_count() const { return first_token_.back(); }
  const TokenStoreInfo& tokenizer_info() const { return stores_.front().info(); }
  const std::vector<TokenStore>& stores() const { return stores_; }

  void read(int64_t first, std::span<int32_t> out) const;

  /// Rows in [begin, end) at which a document starts, ascending.
  std::vector<int64_t> document_starts(int64_t begin, int64_t end) const;

 private:
  std::vector<TokenStore> stores_;
  std::vector<int64_t> first_token_;  // of each store, then the total
};

}  // namespace lckv::data
