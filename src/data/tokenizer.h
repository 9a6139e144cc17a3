#pragma once

#include <cstdint>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

namespace lckv::data {

/// Turns text into token ids and back. Const members may be called from several threads at once.
///
/// decode(encode(text)) == text for every valid UTF-8 text with the `bytes` tokenizer and with
/// models made by train_sentencepiece (U+2581 excepted, which SentencePiece uses for the blank).
/// Other models may normalise.
class Tokenizer {
 public:
  virtual ~Tokenizer() = default;

  /// "bytes" or "sentencepiece".
  virtual std::string kind() const = 0;
  /// 64 hexadecimal digits: of the model file, or for `bytes` of a fixed description.
  virtual std::string sha256() const = 0;
  /// The model file's content; empty for `bytes`.
  virtual std::string_view model_bytes() const = 0;

  virtual int32_t vocab_size() const = 0;
  virtual std::optional<int32_t> bos_id() const = 0;
  virtual std::optional<int32_t> eos_id() const = 0;

  /// Without BOS and EOS. `text` is valid UTF-8.
  virtual std::vector<int32_t> encode(std::string_view text) const = 0;

  /// The tokens of `text` where it continues a document right after a newline:
  ///   encode(a + "\n" + b) == encode(a + "\n") followed by encode_after_newline(b)
  /// Only when can_split_at_newline(). This is how long documents are encoded in pieces.
  virtual std::vector<int32_t> encode_after_newline(std::string_view text) const = 0;
  virtual bool can_split_at_newline() const = 0;

  /// BOS and EOS become nothing. Throws DataError for an id outside the vocabulary.
  virtual std::string decode(std::span<const int32_t> ids) const = 0;
  /// One token for people to read: "the", "\n" written as backslash n, "<0xE2>", "<s>".
  virtual std::string piece(int32_t id) const = 0;
};

/// 256 byte values, BOS 256, EOS 257.
std::shared_ptr<const Tokenizer> bytes_tokenizer();

/// From the content of a SentencePiece model file; `origin` names it in messages. Throws DataError
/// when it is none.
std::shared_ptr<const Tokenizer> sentencepiece_tokenizer(std::string model_bytes,
                                                         const std::string& origin);

/// `spec` is "bytes", the path of a SentencePiece .model file, or the path of a token store (.h5),
/// whose own tokenizer is taken. Throws IoError (no such file), DataError (not a tokenizer).
std::shared_ptr<const Tokenizer> load_tokenizer(const std::string& spec);

}  // namespace lckv::data
