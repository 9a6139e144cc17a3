#pragma once

#include <cstdint>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

namespace lckv::data {

/// What a text loses at its start when it is decoded: the blank that encoding puts there.
enum class TextStart {
  kAsIs,
  kDropsOneBlank,
  kDropsAllBlanks,
};

/// Turns text into token ids and back. Const members may be called from several threads at once.
///
/// decode(encode(text)) == text for every valid UTF-8 text with the `bytes` tokenizer, with models
/// made by train_sentencepiece (U+2581 excepted, which SentencePiece uses for the blank) and with
/// byte-level Hugging Face tokenizers (text that spells a special token excepted). Other models may
/// normalise.
class Tokenizer {
 public:
  virtual ~Tokenizer() = default;

  /// "bytes", "sentencepiece" or "huggingface".
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

  /// BOS, EOS and other special tokens become nothing. Bytes that are no UTF-8 stay as they are;
  /// SentencePiece makes U+FFFD of them. Throws DataError for an id outside the vocabulary.
  virtual std::string decode(std::span<const int32_t> ids) const = 0;

  /// What one token adds to a text; a character may be spread over several tokens. With the bytes
  /// of all tokens joined and text_start() applied to the whole, this is decode() of them.
  /// Throws DataError for an id outside the vocabulary.
  virtual std::string token_bytes(int32_t id) const { return decode({&id, 1}); }
  virtual TextStart text_start() const { return TextStart::kAsIs; }

  /// One token for people to read: "the", "\n" written as backslash n, "<0xE2>", "<s>".
  virtual std::string piece(int32_t id) const = 0;
};

/// 256 byte values, BOS 256, EOS 257.
std::shared_ptr<const Tokenizer> bytes_tokenizer();

/// From the content of a SentencePiece model file; `origin` names it in messages. Throws DataError
/// when it is none.
std::shared_ptr<const Tokenizer> sentencepiece_tokenizer(std::string model_bytes,
                                                         const std::string& origin);

/// The tokens that stand around a document; none where a file names none.
struct DocumentIds {
  std::optional<int32_t> bos;
  std::optional<int32_t> eos;
};

/// From the content of a Hugging Face tokenizer.json; `origin` names it in messages.
///
/// Byte-level BPE (GPT-2, Llama 3) and BPE over characters with bytes to fall back on (Llama 2),
/// applied to the id as the tokenizers library does, which hf_tokenizer_file.h describes. BOS and
/// EOS are those that its post-processor puts around a text; where it puts none, those of
/// `beside`. Throws DataError, naming the place in the file, for whatever is malformed or not
/// implemented, and when `beside` contradicts the file.
std::shared_ptr<const Tokenizer> huggingface_tokenizer(std::string json, const std::string& origin,
                                                       const DocumentIds& beside);

/// `spec` is "bytes"; the path of a SentencePiece .model file, of a Hugging Face tokenizer.json
/// (any name in .json; bos_token and eos_token of a tokenizer_config.json beside it count) or of a
/// token store (.h5), whose own tokenizer is taken; or a folder that holds tokenizer.model or,
/// where it does not, tokenizer.json. Throws IoError (no such file), DataError (not a tokenizer).
std::shared_ptr<const Tokenizer> load_tokenizer(const std::string& spec);

}  // namespace lckv::data
