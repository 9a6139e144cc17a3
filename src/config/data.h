#pragma once

#include <cstdint>
#include <string>
#include <vector>

namespace lckv::config {

/// YAML section `data:`: token stores (data/README.md) and how sequences are cut from them.
struct DataConfig {
  std::vector<std::string> train;       // one token store or several, read as one
  std::vector<std::string> validation;  // may be empty: no validation then
  int64_t sequence_tokens = 1024;       // T; each sequence holds T inputs and T targets, T+1 tokens
  // attention and targets stay inside a document; off: the block is one sequence
  bool document_mask = false;
  uint64_t seed = 42;            // of the order of sequences
  int64_t prefetch_batches = 4;  // micro-batches the loader thread keeps ready
};

}  // namespace lckv::config
