#include "lckv/data/token_store.h"

#include <algorithm>
#include <bit>
#include <mutex>

#include "lckv/base/error.h"
#include "lckv/base/random.h"
#include "lckv/data/hdf5_input.h"
#include "lckv/data/sha256.h"
#include "lckv/data/token_store_format.h"

namespace lckv::data {

using namespace format_v1;

namespace {

void require_format(const Hdf5Input& input) {
  const auto found = input.find_text(kAttrFormat);
  if (found != kFormatName) {
    input.refuse("HDF5, but not a token store: attribute {} is {}, expected \"{}\"", kAttrFormat,
                 found ? "\"" + *found + "\"" : "missing", kFormatName);
  }
  const int64_t version = input.integer(kAttrVersion);
  if (version != kVersion) {
    input.refuse("token store format {}, this program reads format {}; tokenize the text again",
                 version, kVersion);
  }
}

int64_t integer_within(const Hdf5Input& input, const char* name, int64_t low, int64_t high) {
  const int64_t value = input.integer(name);
  if (value < low || value > high) {
    input.refuse("attribute {} is {}, expected {} to {}", name, value, low, high);
  }
  return value;
}

TokenStoreInfo read_info(const Hdf5Input& input) {
  TokenStoreInfo info;
  info.tokens = integer_within(input, kAttrTokens, 1, INT64_MAX);
  info.documents = integer_within(input, kAttrDocuments, 1, INT64_MAX - 1);
  info.vocab_size = static_cast<int32_t>(integer_within(input, kAttrVocab, 1, INT32_MAX));
  info.tokenizer_kind = input.text(kAttrKind);
  info.tokenizer_sha256 = input.text(kAttrSha256);
  info.bos_id = static_cast<int32_t>(integer_within(input, kAttrBos, -1, info.vocab_size - 1));
  info.eos_id = static_cast<int32_t>(integer_within(input, kAttrEos, -1, info.vocab_size - 1));
  return info;
}

void require_rows(const Hdf5Input& input, const char* name, const Hdf5Handle& list,
                  int64_t expected) {
  const int64_t actual = input.rows(name, list);
  if (actual != expected)
    input.refuse("dataset {} has {} rows, expected {}", name, actual, expected);
}

uint64_t checksum(const std::vector<int64_t>& rows) {
  return hash_bytes(rows.data(), rows.size() * sizeof(int64_t));
}

}  // namespace

struct TokenStore::State {
  explicit State(std::string path) {
    const Hdf5Lock lock;
    input.emplace(std::move(path));
    require_format(*input);
    info = read_info(*input);
    tokens = input->open_list(kTokens, token_bytes());
    require_rows(*input, kTokens, tokens, info.tokens);
    require_rows(*input, kDocuments, input->open_list(kDocuments, sizeof(int64_t)),
                 info.documents + 1);
    require_rows(*input, kBlockChecksums, input->open_list(kBlockChecksums, sizeof(uint64_t)),
                 block_count());
  }

  size_t token_bytes() const {
    return uses_uint16(info.vocab_size) ? sizeof(uint16_t) : sizeof(uint32_t);
  }
  int64_t block_count() const { return (info.tokens + kBlockTokens - 1) / kBlockTokens; }

  void read_document_starts() {
    const Hdf5Lock lock;
    std::vector<int64_t> starts = input->read_list<int64_t>(kDocuments, H5T_STD_I64LE);
    const auto expected = std::bit_cast<uint64_t>(input->integer(kAttrDocumentsChecksum));
    if (checksum(starts) != expected) {
      input->refuse("dataset {}: has checksum {:016x}, expected {:016x}", kDocuments,
                    checksum(starts), expected);
    }
    const bool sound =
        starts.front() == 0 && starts.back() == info.tokens && std::ranges::is_sorted(starts);
    if (!sound) input->refuse("dataset {}: does not ascend from 0 to {}", kDocuments, info.tokens);
    document_starts = std::move(starts);
  }

  void require_vocab(std::span<const int32_t> ids, int64_t first) const {
    for (size_t i = 0; i < ids.size(); ++i) {
      if (ids[i] < 0 || ids[i] >= info.vocab_size) {
        input->refuse("dataset {}: token {} at row {} is outside the vocabulary [0, {})", kTokens,
                      ids[i], first + static_cast<int64_t>(i), info.vocab_size);
      }
    }
  }

  /// Every block is compared with its checksum when something of it is read for the first time.
  void verify_when_first_read(int64_t first, int64_t count) {
    for (int64_t block = first / kBlockTokens; block <= (first + count - 1) / kBlockTokens;
         ++block) {
      {
        const std::scoped_lock lock(verified_mutex);
        if (verified.empty()) verified.resize(static_cast<size_t>(block_count()), false);
        if (verified[static_cast<size_t>(block)]) continue;
      }
      verify_block(block, checksums()[static_cast<size_t>(block)]);
      const std::scoped_lock lock(verified_mutex);
      verified[static_cast<size_t>(block)] = true;
    }
  }

  const std::vector<uint64_t>& checksums() {
    std::call_once(checksums_read, [this] {
      const Hdf5Lock lock;
      block_checksums = input->read_list<uint64_t>(kBlockChecksums, H5T_STD_U64LE);
    });
    return block_checksums;
  }

  void verify_block(int64_t block, uint64_t expected) const {
    const int64_t first = block * kBlockTokens;
    const int64_t count = std::min(kBlockTokens, info.tokens - first);
    std::vector<unsigned char> stored(static_cast<size_t>(count) * token_bytes());
    std::vector<int32_t> ids(static_cast<size_t>(count));
    const Hdf5Lock lock;
    input->read_rows(kTokens, tokens, H5T_STD_I32LE, first, count, ids.data());
    require_vocab(ids, first);  // the more telling message of the two
    input->read_rows(kTokens, tokens, token_bytes() == 2 ? H5T_STD_U16LE : H5T_STD_U32LE, first,
                     count, stored.data());
    const uint64_t actual = hash_bytes(stored.data(), stored.size());
    if (actual != expected) {
      input->refuse("dataset {}: block {} (rows {} to {}{}) has checksum {:016x}, expected {:016x}",
                    kTokens, block, first, first + count - 1, place_in_file(first), actual,
                    expected);
    }
  }

  // ", from byte 2048 of the file": where HDF5 put the chunk of this row.
  std::string place_in_file(int64_t row) const {
    const auto start = static_cast<hsize_t>(row);
    unsigned filters = 0;
    haddr_t address = HADDR_UNDEF;
    hsize_t bytes = 0;
    const herr_t status =
        H5Dget_chunk_info_by_coord(tokens.get(), &start, &filters, &address, &bytes);
    return status < 0 || address == HADDR_UNDEF ? ""
                                                : format(", from byte {} of the file", address);
  }

  std::string tokenizer_model() const {
    const Hdf5Lock lock;
    const auto bytes = input->read_list<char>(kTokenizerModel, H5T_STD_U8LE);
    return {bytes.begin(), bytes.end()};
  }

  DocumentIds document_ids() const {
    const auto id = [](int32_t attribute) {
      return attribute < 0 ? std::nullopt : std::optional(attribute);
    };
    return {id(info.bos_id), id(info.eos_id)};
  }

  void require_attributes_of(const Tokenizer& tokenizer) const {
    const auto require = [this](const char* name, int32_t actual, int32_t expected) {
      if (actual == expected) return;
      input->refuse("attribute {} is {}, the tokenizer stored in it has {}", name, actual,
                    expected);
    };
    require(kAttrVocab, info.vocab_size, tokenizer.vocab_size());
    require(kAttrBos, info.bos_id, tokenizer.bos_id().value_or(-1));
    require(kAttrEos, info.eos_id, tokenizer.eos_id().value_or(-1));
  }

  std::optional<Hdf5Input> input;
  TokenStoreInfo info;
  Hdf5Handle tokens;
  std::once_flag documents_read;
  std::vector<int64_t> document_starts;
  std::once_flag checksums_read;
  std::vector<uint64_t> block_checksums;
  std::mutex verified_mutex;
  std::vector<bool> verified;  // by block
};

TokenStore::TokenStore(std::string path) : state_(std::make_unique<State>(std::move(path))) {}
TokenStore::~TokenStore() = default;
TokenStore::TokenStore(TokenStore&&) noexcept = default;

const std::string& TokenStore::path() const { return state_->input->path(); }
const TokenStoreInfo& TokenStore::info() const { return state_->info; }

void TokenStore::read(int64_t first, std::span<int32_t> out) const {
  State& s = *state_;
  LCKV_CHECK(
      first >= 0 && first + std::ssize(out) <= s.info.tokens,
      format("{}: rows {} to {} of {}", path(), first, first + std::ssize(out), s.info.tokens));
  if (out.empty()) return;
  s.verify_when_first_read(first, std::ssize(out));
  const Hdf5Lock lock;
  s.input->read_rows(kTokens, s.tokens, H5T_STD_I32LE, first, std::ssize(out), out.data());
}

const std::vector<int64_t>& TokenStore::document_starts() const {
  std::call_once(state_->documents_read, [this] { state_->read_document_starts(); });
  return state_->document_starts;
}

uint64_t TokenStore::content_hash() const {
  const std::vector<uint64_t>& checksums = state_->checksums();
  return hash_bytes(checksums.data(), checksums.size() * sizeof(uint64_t));
}

void TokenStore::require_tokenizer(const std::string& sha256, const std::string& wanted_by) const {
  const TokenStoreInfo& own = info();
  if (own.tokenizer_sha256 == sha256) return;
  state_->input->refuse("made with another tokenizer: {} with SHA-256 {}, but {} needs SHA-256 {}",
                        own.tokenizer_kind, own.tokenizer_sha256, wanted_by, sha256);
}

std::shared_ptr<const Tokenizer> TokenStore::tokenizer() const {
  const State& s = *state_;
  constexpr const char* kStored = "the tokenizer stored in it";
  const std::string origin = path() + ": dataset " + kTokenizerModel;
  const auto checked_model = [&] {  // before anybody looks into it
    std::string model = s.tokenizer_model();
    require_tokenizer(sha256_hex(model), kStored);
    return model;
  };
  std::shared_ptr<const Tokenizer> found;
  if (info().tokenizer_kind == "bytes") {
    found = bytes_tokenizer();
    require_tokenizer(found->sha256(), kStored);
  } else if (info().tokenizer_kind == "sentencepiece") {
    found = sentencepiece_tokenizer(checked_model(), origin);
  } else if (info().tokenizer_kind == "huggingface") {
    found = huggingface_tokenizer(checked_model(), origin, s.document_ids());
  } else {
    s.input->refuse("unknown tokenizer kind \"{}\", expected bytes, sentencepiece or huggingface",
                    info().tokenizer_kind);
  }
  s.require_attributes_of(*found);
  return found;
}

void TokenStore::verify(const std::atomic<bool>* stop) const {
  State& s = *state_;
  document_starts();
  tokenizer();
  for (int64_t block = 0; block < s.block_count(); ++block) {
    if (stop != nullptr && stop->load())
      throw Interrupted(path() + ": verification was interrupted");
    s.verify_block(block, s.checksums()[static_cast<size_t>(block)]);
  }
}

}  // namespace lckv::data
