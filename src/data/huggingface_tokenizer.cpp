#include <algorithm>
#include <mutex>

#include "lckv/base/error.h"
#include "lckv/base/text.h"
#include "lckv/data/added_tokens.h"
#include "lckv/data/bpe.h"
#include "lckv/data/byte_alphabet.h"
#include "lckv/data/hf_tokenizer_file.h"
#include "lckv/data/pre_tokenizer.h"
#include "lckv/data/sha256.h"
#include "lckv/data/utf8.h"

namespace lckv::data {

namespace {

void replace_all(std::string& text, std::string_view from, std::string_view to) {
  size_t at = text.find(from);
  if (at == text.npos) return;
  std::string out;
  size_t done = 0;
  for (; at != text.npos; at = text.find(from, done)) {
    out.append(text, done, at - done).append(to);
    done = at + from.size();
  }
  text = out.append(text, done);
}

std::string normalized(std::string text, const std::vector<HfReplacement>& steps,
                       PiecePlace place) {
  for (const HfReplacement& step : steps) {
    if (!step.from.empty()) {
      replace_all(text, step.from, step.to);
    } else if (!text.empty() && place != PiecePlace::kContinuation) {
      text.insert(0, step.to);
    }
  }
  return text;
}

std::optional<int32_t> settled_id(std::optional<int32_t> own, std::optional<int32_t> beside,
                                  const char* name, const std::string& origin) {
  if (own && beside && *own != *beside) {
    throw DataError(format("{}: $.post_processor: has {} as {}, but beside it {} is named", origin,
                           *own, name, *beside));
  }
  return own ? own : beside;
}

/// For people: control characters, and bytes that are no characters, as "<0xE2>".
std::string printable(std::string_view bytes) {
  std::string shown;
  for (size_t at = 0; at < bytes.size();) {
    const size_t valid = valid_utf8_prefix(bytes.substr(at));
    for (const char c : bytes.substr(at, valid)) {
      const bool is_control = (c >= 0 && c < 0x20) || c == 0x7F;
      if (c == '\n' || c == '\t') {
        shown += c == '\n' ? "\\n" : "\\t";
      } else {
        is_control ? shown += byte_token(static_cast<unsigned char>(c)) : shown += c;
      }
    }
    at += valid;
    if (at < bytes.size()) shown += byte_token(static_cast<unsigned char>(bytes[at++]));
  }
  return shown;
}

/// What encoding works with, which remembers words from one call to the next.
struct Workspace {
  WordCache cache;
  Words words;
};

/// Lends every call a workspace of its own.
class Workspaces {
 public:
  class Loan {
   public:
    explicit Loan(Workspaces& from) : from_(from), lent_(from.take()) {}
    ~Loan() { from_.give_back(std::move(lent_)); }
    Loan(const Loan&) = delete;
    Workspace& operator*() const { return *lent_; }

   private:
    Workspaces& from_;
    std::unique_ptr<Workspace> lent_;
  };

 private:
  std::unique_ptr<Workspace> take() {
    const std::scoped_lock lock(mutex_);
    if (free_.empty()) return std::make_unique<Workspace>();
    auto last = std::move(free_.back());
    free_.pop_back();
    return last;
  }
  void give_back(std::unique_ptr<Workspace> workspace) {
    const std::scoped_lock lock(mutex_);
    free_.push_back(std::move(workspace));
  }

  std::mutex mutex_;
  std::vector<std::unique_ptr<Workspace>> free_;
};

class HuggingfaceTokenizer : public Tokenizer {
 public:
  HuggingfaceTokenizer(HfTokenizerFile file, const DocumentIds& beside)
      : file_(std::move(file)),
        sha256_(sha256_hex(file_.json)),
        pre_tokenizer_(file_),
        bpe_(file_.bpe, file_.bytes.has_value()) {
    const DocumentIds& own = file_.document;
    document_ = {settled_id(own.bos, beside.bos, "BOS", file_.origin),
                 settled_id(own.eos, beside.eos, "EOS", file_.origin)};
    take_added_tokens();
    take_token_bytes();
    can_split_ = newline_is_a_boundary();
  }

  std::string kind() const override { return "huggingface"; }
  std::string sha256() const override { return sha256_; }
  std::string_view model_bytes() const override { return file_.json; }
  int32_t vocab_size() const override { return file_.vocab_size(); }
  std::optional<int32_t> bos_id() const override { return document_.bos; }
  std::optional<int32_t> eos_id() const override { return document_.eos; }
  bool can_split_at_newline() const override { return can_split_; }

  std::vector<int32_t> encode(std::string_view text) const override {
    return encode_at(text, PiecePlace::kStartOfText);
  }

  std::vector<int32_t> encode_after_newline(std::string_view text) const override {
    LCKV_CHECK(can_split_, "this tokenizer cannot encode in pieces");
    return encode_at(text, PiecePlace::kContinuation);
  }

  std::string decode(std::span<const int32_t> ids) const override {
    std::string text;
    for (const int32_t id : ids) text += bytes_at(id);
    if (file_.decoder.start == TextStart::kDropsOneBlank && text.starts_with(' ')) text.erase(0, 1);
    return text;
  }

  std::string token_bytes(int32_t id) const override { return bytes_at(id); }
  TextStart text_start() const override { return file_.decoder.start; }

  std::string piece(int32_t id) const override {
    require_in_vocab(id);
    const auto added = std::ranges::find(file_.added, id, &HfAddedToken::id);
    return added != file_.added.end() ? printable(added->content) : printable(bytes_at(id));
  }

 private:
  // Special ones first: the first of equal ones counts.
  void take_added_tokens() {
    for (const bool special : {true, false}) {
      for (const HfAddedToken& token : file_.added) {
        if (token.special != special) continue;
        if (token.normalized) {
          normalized_.add(token, normalized_content(token));
        } else {
          verbatim_.add(token, token.content);
        }
      }
    }
  }

  std::string normalized_content(const HfAddedToken& token) const {
    std::string content = normalized(token.content, file_.normalizer, PiecePlace::kInside);
    if (content.empty()) {
      throw DataError(format("{}: $.added_tokens: the normalizer leaves nothing of \"{}\"",
                             file_.origin, token.content));
    }
    return content;
  }

  void take_token_bytes() {
    bytes_ = file_.bpe.tokens;
    bytes_.resize(static_cast<size_t>(vocab_size()));
    for (const HfAddedToken& token : file_.added) {
      bytes_[static_cast<size_t>(token.id)] =
          token.normalized ? normalized_content(token) : token.content;
    }
    for (std::string& bytes : bytes_) bytes = decoded(std::move(bytes));
    for (const HfAddedToken& token : file_.added) {
      if (token.special) bytes_[static_cast<size_t>(token.id)].clear();
    }
    for (const auto id : {document_.bos, document_.eos}) {
      if (id) bytes_[static_cast<size_t>(*id)].clear();
    }
  }

  std::string decoded(std::string token) const {
    for (const HfReplacement& step : file_.decoder.replacements) {
      replace_all(token, step.from, step.to);
    }
    if (!file_.decoder.byte_fallback) return token;
    const auto byte = byte_of_token(token);
    return byte ? std::string(1, *byte) : token;
  }

  // Of a byte-level model, splitting looks at what surrounds a newline.
  bool newline_is_a_boundary() const {
    const auto reaches_across = [](const HfAddedToken& token) {
      return token.lstrip || token.rstrip || token.content.find('\n') < token.content.size() - 1;
    };
    const auto replaces_newline = [](const HfReplacement& step) {
      return step.from.find('\n') != step.from.npos;
    };
    return !file_.bytes && file_.splits.empty() && !file_.bpe.ignore_merges &&
           bpe_.ends_at_newline() && std::ranges::none_of(file_.normalizer, replaces_newline) &&
           std::ranges::none_of(file_.added, reaches_across);
  }

  std::vector<int32_t> encode_at(std::string_view text, PiecePlace place) const {
    const Workspaces::Loan workspace(workspaces_);
    std::vector<int32_t> ids;
    for (const AddedTokens::Part& part : verbatim_.divide(text)) {
      if (part.id) {
        ids.push_back(*part.id);
      } else {
        encode_piece(text.substr(part.begin, part.end - part.begin),
                     part.begin == 0 ? place : PiecePlace::kInside, *workspace, ids);
      }
    }
    return ids;
  }

  void encode_piece(std::string_view piece, PiecePlace place, Workspace& workspace,
                    std::vector<int32_t>& ids) const {
    std::string changed;
    if (!file_.normalizer.empty()) {
      changed = normalized(std::string(piece), file_.normalizer, place);
      piece = changed;
    }
    for (const AddedTokens::Part& part : normalized_.divide(piece)) {
      if (part.id) {
        ids.push_back(*part.id);
        continue;
      }
      pre_tokenizer_.run(piece.substr(part.begin, part.end - part.begin),
                         part.begin == 0 ? place : PiecePlace::kInside, workspace.words);
      for (const std::string_view word : workspace.words.all) {
        bpe_.encode(word, workspace.cache, ids);
      }
    }
  }

  const std::string& bytes_at(int32_t id) const {
    require_in_vocab(id);
    return bytes_[static_cast<size_t>(id)];
  }

  void require_in_vocab(int32_t id) const {
    if (id < 0 || id >= vocab_size()) {
      throw DataError(
          format("{}: id {} is outside the vocabulary [0, {})", file_.origin, id, vocab_size()));
    }
  }

  HfTokenizerFile file_;
  std::string sha256_;
  DocumentIds document_;
  AddedTokens verbatim_, normalized_;
  PreTokenizer pre_tokenizer_;
  Bpe bpe_;
  std::vector<std::string> bytes_;  // by id: token_bytes()
  bool can_split_ = false;
  mutable Workspaces workspaces_;
};

}  // namespace

std::shared_ptr<const Tokenizer> make_hf_tokenizer(HfTokenizerFile file,
                                                   const DocumentIds& beside) {
  return std::make_shared<HuggingfaceTokenizer>(std::move(file), beside);
}

std::shared_ptr<const Tokenizer> huggingface_tokenizer(std::string json, const std::string& origin,
                                                       const DocumentIds& beside) {
  return make_hf_tokenizer(read_hf_tokenizer_file(std::move(json), origin), beside);
}

}  // namespace lckv::data
