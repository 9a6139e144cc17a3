#pragma once

#include <atomic>
#include <cstdint>
#include <memory>
#include <span>
#include <string>
#include <vector>

#include "lckv/data/tokenizer.h"

// The token store: tokenised text in one HDF5 file. data/README.md is the format.

namespace lckv::data {

/// Tokens per entry of `block_checksums`.
constexpr int64_t kBlockTokens = int64_t{1} << 20;

struct TokenStoreInfo {
  int64_t tokens = 0;
  int64_t documents = 0;
  int32_t vocab_size = 0;
  std::string tokenizer_kind;
  std::string tokenizer_sha256;
  int32_t bos_id = -1;  // -1: none
  int32_t eos_id = -1;
};

/// Writes a store under a temporary name beside `path`; only commit() gives it its name, or
/// finish(), publish() and settle() in its place, where several stores are to appear together.
/// Destroyed before that it removes what it wrote. Throws IoError when the disk is full or the
/// folder cannot be written, and then leaves nothing.
class TokenStoreWriter {
 public:
  TokenStoreWriter(std::string path, const Tokenizer& tokenizer);
  ~TokenStoreWriter();

  /// The next token appended is the first of a new document. Needed before the first append.
  void begin_document();
  void append(std::span<const int32_t> ids);
  int64_t token_count() const;
  int64_t document_count() const;

  /// The three steps below, one after the other. To be called last, once.
  void commit();

  /// Writes the rest and waits for the disk. DataError when no token was appended.
  void finish();
  /// Gives the finished store its name, with nothing but a rename.
  void publish();
  /// Waits until the name is on the disk too.
  void settle();

 private:
  struct State;
  std::unique_ptr<State> state_;
};

/// An open store. Members may be called from any thread; all HDF5 calls of the process take turns.
///
/// Opening refuses (DataError naming the file): not HDF5, HDF5 but no token store, another format
/// version, truncated, datasets whose sizes contradict the attributes. IoError: no such file, no
/// permission.
class TokenStore {
 public:
  explicit TokenStore(std::string path);
  ~TokenStore();
  TokenStore(TokenStore&&) noexcept;

  const std::string& path() const;
  const TokenStoreInfo& info() const;

  /// Tokens first .. first + out.size() - 1. Each block is compared with its checksum when
  /// something of it is read for the first time. Throws DataError naming a token outside the
  /// vocabulary and its row, a block that differs from its checksum, or the range that cannot be
  /// read.
  void read(int64_t first, std::span<int32_t> out) const;

  /// Row of each document's first token, ascending, followed by the token count. Read and checked
  /// at the first call; 8 bytes per document.
  const std::vector<int64_t>& document_starts() const;

  /// Equal for stores of equal tokens: a hash of the block checksums.
  uint64_t content_hash() const;

  /// DataError with both hashes when the store was made with another tokenizer; `wanted_by` says
  /// who asked.
  void require_tokenizer(const std::string& sha256, const std::string& wanted_by) const;

  /// The tokenizer the store was made with, from the store itself. Throws DataError when its model
  /// is damaged.
  std::shared_ptr<const Tokenizer> tokenizer() const;

  /// Reads everything and compares with the checksums. Throws DataError naming the first damaged
  /// dataset, block and row, Interrupted when `stop` becomes true.
  void verify(const std::atomic<bool>* stop = nullptr) const;

 private:
  struct State;
  std::unique_ptr<State> state_;
};

}  // namespace lckv::data
