#include <algorithm>
#include <bit>
#include <optional>

#include "lckv/base/error.h"
#include "lckv/base/random.h"
#include "lckv/base/text.h"
#include "lckv/data/hdf5_output.h"
#include "lckv/data/pending_file.h"
#include "lckv/data/token_store.h"
#include "lckv/data/token_store_format.h"

namespace lckv::data {

using namespace format_v1;

static_assert(std::endian::native == std::endian::little, "checksums are of little-endian bytes");

struct TokenStoreWriter::State {
  State(std::string path, const Tokenizer& t)
      : pending(std::move(path)),
        vocab_size(t.vocab_size()),
        kind(t.kind()),
        sha256(t.sha256()),
        model(t.model_bytes()),
        bos(t.bos_id().value_or(-1)),
        eos(t.eos_id().value_or(-1)) {
    block.reserve(kBlockTokens);
    const Hdf5Lock lock;
    output.emplace(pending.temporary_path(), pending.path());
    tokens = output->create_growing_list(kTokens, token_type(), kChunkElements);
  }

  hid_t token_type() const { return uses_uint16(vocab_size) ? H5T_STD_U16LE : H5T_STD_U32LE; }

  template <class Stored>
  void write_block_as() {
    const std::vector<Stored> stored(block.begin(), block.end());
    checksums.push_back(hash_bytes(stored.data(), stored.size() * sizeof(Stored)));
    output->append(tokens, token_type(), stored.data(), written_tokens, std::ssize(stored));
  }

  void flush_block() {
    if (block.empty()) return;
    const Hdf5Lock lock;
    uses_uint16(vocab_size) ? write_block_as<uint16_t>() : write_block_as<uint32_t>();
    written_tokens += std::ssize(block);
    block.clear();
  }

  void write_lists() {
    output->write_list(kDocuments, H5T_STD_I64LE, document_starts.data(),
                       std::ssize(document_starts));
    output->write_list(kBlockChecksums, H5T_STD_U64LE, checksums.data(), std::ssize(checksums));
    if (!model.empty())
      output->write_list(kTokenizerModel, H5T_STD_U8LE, model.data(), std::ssize(model));
  }

  void write_attributes() {
    const uint64_t sum =
        hash_bytes(document_starts.data(), document_starts.size() * sizeof(int64_t));
    output->write_attribute(kAttrFormat, kFormatName);
    output->write_attribute(kAttrVersion, kVersion);
    output->write_attribute(kAttrTokens, written_tokens);
    output->write_attribute(kAttrDocuments, std::ssize(document_starts) - 1);
    output->write_attribute(kAttrVocab, vocab_size);
    output->write_attribute(kAttrKind, kind);
    output->write_attribute(kAttrSha256, sha256);
    output->write_attribute(kAttrBos, bos);
    output->write_attribute(kAttrEos, eos);
    output->write_attribute(kAttrDocumentsChecksum, std::bit_cast<int64_t>(sum));
  }

  void close_file() {
    const Hdf5Lock lock;
    write_lists();
    write_attributes();
    tokens.reset();
    output->close();
  }

  PendingFile pending;
  const int32_t vocab_size;
  const std::string kind;
  const std::string sha256;
  const std::string model;
  const int64_t bos;
  const int64_t eos;
  std::optional<Hdf5Output> output;
  Hdf5Handle tokens;
  std::vector<int32_t> block;  // not yet written
  int64_t written_tokens = 0;
  std::vector<uint64_t> checksums;
  std::vector<int64_t> document_starts;
};

TokenStoreWriter::TokenStoreWriter(std::string path, const Tokenizer& tokenizer)
    : state_(std::make_unique<State>(std::move(path), tokenizer)) {}

TokenStoreWriter::~TokenStoreWriter() = default;

int64_t TokenStoreWriter::token_count() const {
  return state_->written_tokens + std::ssize(state_->block);
}

int64_t TokenStoreWriter::document_count() const { return std::ssize(state_->document_starts); }

void TokenStoreWriter::begin_document() { state_->document_starts.push_back(token_count()); }

void TokenStoreWriter::append(std::span<const int32_t> ids) {
  State& s = *state_;
  LCKV_CHECK(ids.empty() || !s.document_starts.empty(), "append before begin_document");
  for (const int32_t id : ids) {
    LCKV_CHECK(id >= 0 && id < s.vocab_size,
               format("token {} is outside the vocabulary [0, {})", id, s.vocab_size));
  }
  while (!ids.empty()) {
    const size_t room = static_cast<size_t>(kBlockTokens) - s.block.size();
    const auto part = ids.first(std::min(room, ids.size()));
    s.block.insert(s.block.end(), part.begin(), part.end());
    ids = ids.subspan(part.size());
    if (std::ssize(s.block) == kBlockTokens) s.flush_block();
  }
}

void TokenStoreWriter::commit() {
  finish();
  publish();
  settle();
}

void TokenStoreWriter::finish() {
  State& s = *state_;
  if (token_count() == 0) throw DataError(s.pending.path() + ": would hold no token");
  s.flush_block();
  s.document_starts.push_back(s.written_tokens);
  s.close_file();
  s.pending.finish();
}

void TokenStoreWriter::publish() { state_->pending.publish(); }

void TokenStoreWriter::settle() { state_->pending.settle(); }

}  // namespace lckv::data
