#pragma once

#include <atomic>
#include <cstdint>
#include <functional>
#include <optional>
#include <string>
#include <vector>

#include "lckv/data/text_source.h"
#include "lckv/data/tokenizer.h"

namespace lckv::data {

struct TokenizeOptions {
  TextOptions text;
  int threads = 0;  // that encode; 0: one per core
  /// Pieces of text (or bundles of short documents) under way at once, from reading to writing:
  /// bounds memory.
  int queue_pieces = 32;
  std::optional<bool> bos;        // in front of every document; default: when the tokenizer has one
  bool eos = false;               // after every document
  double validation_frac = 0;     // of the documents, drawn by hash of (seed, document number)
  std::string validation_output;  // their store; needed when validation_frac > 0
  uint64_t seed = 42;             // of that draw
};

struct TokenizeProgress {
  int64_t bytes_read = 0;  // of the files on disk
  int64_t total_bytes = 0;
  int64_t tokens = 0;
};

struct TokenizeSummary {
  int64_t files = 0;
  int64_t text_bytes = 0;  // after decompression, of documents alone
  int64_t documents = 0;
  int64_t tokens = 0;
  int64_t validation_documents = 0;  // not counted in the two above
  int64_t validation_tokens = 0;
  double elapsed_s = 0;
};

/// Called now and then from the calling thread.
using TokenizeCallback = std::function<void(const TokenizeProgress&)>;

/// Encodes the documents of `inputs` (see expand_inputs) into the token store `output`. The stores'
/// bytes do not depend on threads, queue_pieces or text.piece_bytes.
///
/// The training and the validation store appear together: both are finished on the disk before the
/// first gets its name, and two renames follow each other. A kill between them leaves the new
/// validation store beside the old training store, or beside none: each whole, but of two draws.
///
/// Throws what TextSource and TokenStoreWriter throw; ConfigError for options that contradict the
/// tokenizer or each other, and what require_own_outputs throws; Interrupted when `stop` becomes
/// true. In all these cases no file is left behind, and what the outputs replace is still there.
TokenizeSummary tokenize(const std::vector<std::string>& inputs, const Tokenizer& tokenizer,
                         const std::string& output, const TokenizeOptions& options,
                         const TokenizeCallback& progress = {},
                         const std::atomic<bool>* stop = nullptr);

/// ConfigError when a store would replace a text of `inputs` (as expand_inputs finds them), under
/// whatever name, or when both stores are one file. Throws what expand_inputs throws. tokenize()
/// asks it first; for callers with long work before.
void require_own_outputs(const std::vector<std::string>& inputs, const std::string& output,
                         const std::string& validation_output);

}  // namespace lckv::data
