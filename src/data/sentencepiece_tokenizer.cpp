#include <algorithm>

#include <sentencepiece_processor.h>

#include "lckv/base/error.h"
#include "lckv/base/text.h"
#include "lckv/data/sha256.h"
#include "lckv/data/tokenizer.h"

namespace lckv::data {

namespace {

constexpr std::string_view kBlank = "\u2581";  // SentencePiece's visible blank

std::optional<int32_t> id_or_none(int id) {
  return id >= 0 ? std::optional<int32_t>(id) : std::nullopt;
}

class SentencePieceTokenizer : public Tokenizer {
 public:
  SentencePieceTokenizer(std::string model_bytes, const std::string& origin)
      : model_bytes_(std::move(model_bytes)), origin_(origin), sha256_(sha256_hex(model_bytes_)) {
    load();
    newline_ = encode("\n");
    can_split_ = newline_is_a_boundary();
    text_start_ = find_text_start();
  }

  std::string kind() const override { return "sentencepiece"; }
  std::string sha256() const override { return sha256_; }
  std::string_view model_bytes() const override { return model_bytes_; }
  int32_t vocab_size() const override { return processor_.GetPieceSize(); }
  std::optional<int32_t> bos_id() const override { return id_or_none(processor_.bos_id()); }
  std::optional<int32_t> eos_id() const override { return id_or_none(processor_.eos_id()); }
  bool can_split_at_newline() const override { return can_split_; }

  std::vector<int32_t> encode(std::string_view text) const override {
    std::vector<int> ids;
    const auto status = processor_.Encode(text, &ids);
    if (!status.ok()) throw DataError(format("{}: cannot encode: {}", origin_, status.ToString()));
    return ids;
  }

  std::vector<int32_t> encode_after_newline(std::string_view text) const override {
    LCKV_CHECK(can_split_, "this SentencePiece model cannot encode in pieces");
    // The newline in front takes the place of the one that ended the piece before: it absorbs the
    // blank which SentencePiece puts before a text, and is then taken away again with it.
    std::vector<int32_t> ids = encode("\n" + std::string(text));
    LCKV_CHECK(std::equal(newline_.begin(), newline_.end(), ids.begin(),
                          ids.begin() + std::ssize(newline_)),
               "encoding does not start with the newline");
    ids.erase(ids.begin(), ids.begin() + std::ssize(newline_));
    return ids;
  }

  std::string decode(std::span<const int32_t> ids) const override {
    for (const int32_t id : ids) require_in_vocab(id);
    std::string text;
    const auto status = processor_.Decode(std::vector<int>(ids.begin(), ids.end()), &text);
    if (!status.ok()) throw DataError(format("{}: cannot decode: {}", origin_, status.ToString()));
    return text;
  }

  std::string token_bytes(int32_t id) const override {
    require_in_vocab(id);
    const std::string& raw = processor_.IdToPiece(id);
    if (processor_.IsByte(id)) {  // "<0xE2>"
      return {static_cast<char>(std::stoi(raw.substr(3, 2), nullptr, 16))};
    }
    if (processor_.IsControl(id) || processor_.IsUnknown(id)) return decode({&id, 1});
    return with_blanks(raw);
  }

  TextStart text_start() const override { return text_start_; }

  std::string piece(int32_t id) const override {
    require_in_vocab(id);
    const std::string& raw = processor_.IdToPiece(id);
    std::string shown;
    for (size_t at = 0; at < raw.size(); ++at) {
      if (raw.compare(at, kBlank.size(), kBlank) == 0) {
        shown += ' ';
        at += kBlank.size() - 1;
      } else if (raw[at] == '\n') {
        shown += "\\n";
      } else if (raw[at] == '\t') {
        shown += "\\t";
      } else {
        shown += raw[at];
      }
    }
    return shown;
  }

 private:
  void load() {
    std::string reason;
    try {
      const auto status = processor_.LoadFromSerializedProto(model_bytes_);
      if (!status.ok()) reason = "; " + status.ToString();
    } catch (const std::exception& error) {  // of its trie, about which the status says nothing
      reason = format("; {}", error.what());
    }
    if (reason.empty() && !model_bytes_.empty() && processor_.GetPieceSize() > 0) return;
    throw DataError(
        format("{}: not a SentencePiece model ({} bytes{})", origin_, model_bytes_.size(), reason));
  }

  static std::string with_blanks(std::string_view raw) {
    std::string text;
    for (size_t found = raw.find(kBlank); found != raw.npos; found = raw.find(kBlank)) {
      text.append(raw.substr(0, found)) += ' ';
      raw.remove_prefix(found + kBlank.size());
    }
    return text.append(raw);
  }

  // By trial, since the model's settings are not to be had: what becomes of a piece that starts
  // with a blank when it is first, and of one that is nothing but blanks.
  TextStart find_text_start() const {
    TextStart found = TextStart::kAsIs;
    for (int32_t id = 0; id < vocab_size(); ++id) {
      const std::string bytes = token_bytes(id);
      if (!bytes.starts_with(' ')) continue;
      if (processor_.IsUnknown(id) || processor_.IsByte(id)) continue;
      const size_t lost = 2 * bytes.size() - decode(std::vector<int32_t>{id, id}).size();
      if (lost > 1) return TextStart::kDropsAllBlanks;
      if (lost == 1) found = TextStart::kDropsOneBlank;
    }
    return found;
  }

  // A newline separates when it always becomes one token of its own (its piece, or its byte) and no
  // piece reaches across it; a normaliser that swallows it leaves no such token.
  bool newline_is_a_boundary() const {
    if (newline_.empty()) return false;
    const std::string& last = processor_.IdToPiece(newline_.back());
    if (last != "\n" && last != "<0x0A>") return false;
    for (int id = 0; id < processor_.GetPieceSize(); ++id) {
      const std::string& piece = processor_.IdToPiece(id);
      if (piece.size() > 1 && piece.find('\n') != std::string::npos) return false;
    }
    return encode("\n\n\n").size() == newline_.size() + 2;
  }

  void require_in_vocab(int32_t id) const {
    if (id < 0 || id >= vocab_size()) {
      throw DataError(
          format("{}: id {} is outside the vocabulary [0, {})", origin_, id, vocab_size()));
    }
  }

  std::string model_bytes_;
  std::string origin_;
  std::string sha256_;
  sentencepiece::SentencePieceProcessor processor_;
  std::vector<int32_t> newline_;
  bool can_split_ = false;
  TextStart text_start_ = TextStart::kAsIs;
};

}  // namespace

std::shared_ptr<const Tokenizer> sentencepiece_tokenizer(std::string model_bytes,
                                                         const std::string& origin) {
  return std::make_shared<SentencePieceTokenizer>(std::move(model_bytes), origin);
}

}  // namespace lckv::data
