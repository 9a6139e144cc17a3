#pragma once

#include <cstdint>
#include <string>

#include "lckv/data/token_store.h"

namespace lckv::data {

/// What `lckv inspect` prints of a token store.
struct StoreFacts {
  TokenStoreInfo info;
  int64_t file_bytes = 0;
  int bytes_per_token = 0;  // 2 or 4
  int64_t shortest_document_tokens = 0;
  int64_t longest_document_tokens = 0;
  double mean_document_tokens = 0;
  std::string beginning;  // the first tokens as text, cut short
};

/// Opens the store and reads its document table and first tokens; TokenStore::verify reads the
/// rest.
StoreFacts describe(const std::string& path);

/// One fact per line, for people.
std::string to_text(const StoreFacts& facts);

}  // namespace lckv::data
