#pragma once

#include <span>
#include <string>
#include <vector>

#include "lckv/base/random.h"
#include "lckv/data/token_store.h"

namespace lckv::eval {

/// Writes a store of random bytes tokens: enough for `sequences` of T, and a tail that is too short
/// for one more. Returns the tokens.
inline std::vector<int32_t> write_random_store(const std::string& path, int64_t sequences,
                                               int64_t T, int64_t document_tokens) {
  const CounterRng rng(3, 1);
  std::vector<int32_t> tokens;
  for (int64_t i = 0; i < sequences * T + 1 + 5; ++i) {
    tokens.push_back(static_cast<int32_t>(rng.below(static_cast<uint64_t>(i), 258)));
  }
  data::TokenStoreWriter writer(path, *data::bytes_tokenizer());
  for (size_t i = 0; i < tokens.size(); ++i) {
    if (i % static_cast<size_t>(document_tokens) == 0) writer.begin_document();
    writer.append(std::span(tokens).subspan(i, 1));
  }
  writer.commit();
  return tokens;
}

}  // namespace lckv::eval
