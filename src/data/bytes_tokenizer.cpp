#include "lckv/base/error.h"
#include "lckv/base/text.h"
#include "lckv/data/sha256.h"
#include "lckv/data/tokenizer.h"

namespace lckv::data {

namespace {

constexpr int32_t kBos = 256;
constexpr int32_t kEos = 257;
constexpr int32_t kVocab = 258;

class BytesTokenizer : public Tokenizer {
 public:
  std::string kind() const override { return "bytes"; }
  std::string sha256() const override {
    return sha256_hex("lckv bytes tokenizer: byte b is id b, BOS 256, EOS 257");
  }
  std::string_view model_bytes() const override { return {}; }
  int32_t vocab_size() const override { return kVocab; }
  std::optional<int32_t> bos_id() const override { return kBos; }
  std::optional<int32_t> eos_id() const override { return kEos; }
  bool can_split_at_newline() const override { return true; }

  std::vector<int32_t> encode(std::string_view text) const override {
    const auto* bytes = reinterpret_cast<const unsigned char*>(text.data());
    return {bytes, bytes + text.size()};
  }

  std::vector<int32_t> encode_after_newline(std::string_view text) const override {
    return encode(text);
  }

  std::string decode(std::span<const int32_t> ids) const override {
    std::string text;
    for (const int32_t id : ids) {
      require_in_vocab(id);
      if (id < kBos) text += static_cast<char>(id);
    }
    return text;
  }

  std::string token_bytes(int32_t id) const override {
    require_in_vocab(id);
    return id < kBos ? std::string(1, static_cast<char>(id)) : "";
  }

  std::string piece(int32_t id) const override {
    require_in_vocab(id);
    if (id == kBos) return "<s>";
    if (id == kEos) return "</s>";
    if (id == '\n') return "\\n";
    if (id == '\t') return "\\t";
    const bool printable = id >= 0x20 && id < 0x7F;
    return printable ? std::string(1, static_cast<char>(id)) : format("<0x{:02X}>", id);
  }

 private:
  static void require_in_vocab(int32_t id) {
    if (id < 0 || id >= kVocab) {
      throw DataError(
          format("bytes tokenizer: id {} is outside the vocabulary [0, {})", id, kVocab));
    }
  }
};

}  // namespace

std::shared_ptr<const Tokenizer> bytes_tokenizer() { return std::make_shared<BytesTokenizer>(); }

}  // namespace lckv::data
