#pragma once

#include <cstdint>

#include "lckv/data/token_store.h"

// Names and numbers of data/README.md, shared by the writer and the reader.

namespace lckv::data::format_v1 {

constexpr const char* kFormatName = "lckv token store";
constexpr int64_t kVersion = 1;
constexpr int64_t kChunkElements = 64 << 10;
constexpr int64_t kMaxVocabOfUint16 = 65536;

constexpr const char* kTokens = "tokens";
constexpr const char* kDocuments = "documents";
constexpr const char* kBlockChecksums = "block_checksums";
constexpr const char* kTokenizerModel = "tokenizer_model";

constexpr const char* kAttrFormat = "format";
constexpr const char* kAttrVersion = "format_version";
constexpr const char* kAttrTokens = "token_count";
constexpr const char* kAttrDocuments = "document_count";
constexpr const char* kAttrVocab = "vocab_size";
constexpr const char* kAttrKind = "tokenizer_kind";
constexpr const char* kAttrSha256 = "tokenizer_sha256";
constexpr const char* kAttrBos = "bos_id";
constexpr const char* kAttrEos = "eos_id";
constexpr const char* kAttrDocumentsChecksum = "documents_checksum";

inline bool uses_uint16(int32_t vocab_size) { return vocab_size <= kMaxVocabOfUint16; }

}  // namespace lckv::data::format_v1
