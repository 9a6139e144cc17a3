#include "lckv/data/text_source.h"

#include <optional>

#include <nlohmann/json.hpp>

#include "lckv/base/error.h"
#include "lckv/base/text.h"
#include "lckv/data/line_reader.h"
#include "lckv/data/text_format.h"

namespace lckv::data {

namespace {

std::string_view without_line_end(std::string_view line) {
  if (line.ends_with('\n')) line.remove_suffix(1);
  if (line.ends_with('\r')) line.remove_suffix(1);
  return line;
}

bool is_blank(std::string_view text) { return text.find_first_not_of(" \t\r\n") == text.npos; }

std::string text_field(const LineReader& lines, std::string_view line, const std::string& field) {
  const auto where = [&] { return format("{}: line {}: ", lines.path(), lines.line()); };
  const auto json = nlohmann::json::parse(line, nullptr, /*allow_exceptions=*/false);
  if (json.is_discarded()) throw DataError(where() + "not valid JSON");
  if (!json.is_object())
    throw DataError(format("{}a JSON {}, expected an object", where(), json.type_name()));
  const auto found = json.find(field);
  if (found == json.end()) {
    std::string present;
    for (const auto& item : json.items()) present += (present.empty() ? "" : ", ") + item.key();
    throw DataError(format("{}has no field \"{}\"; it has: {}", where(), field,
                           present.empty() ? "none" : present));
  }
  if (!found->is_string()) {
    throw DataError(
        format("{}field \"{}\" is a {}, expected a string", where(), field, found->type_name()));
  }
  std::string text = found->get<std::string>();
  if (text.find('\0') != text.npos) {
    throw DataError(format("{}field \"{}\" holds the character NUL", where(), field));
  }
  return text;
}

// Documents of one file.
class DocumentReader {
 public:
  DocumentReader(const std::string& path, const TextOptions& options)
      : lines_(path), format_(text_format(path).value()), options_(options) {}

  bool next(TextPiece& piece) {
    if (format_ == TextFormat::kJsonl) return next_of_jsonl(piece);
    if (options_.txt_documents == TxtDocuments::kLines) return next_line(piece);
    return next_of_file(piece);
  }

  int64_t position_bytes() const { return lines_.position_bytes(); }

 private:
  size_t piece_bytes() const {
    return options_.piece_bytes > 0 ? static_cast<size_t>(options_.piece_bytes) : SIZE_MAX / 2;
  }

  bool next_of_file(TextPiece& piece) {
    if (!begins_ && lines_.at_end()) return false;
    piece.text = lines_.next(piece_bytes());
    piece.begins_document = begins_;
    piece.ends_document = lines_.at_end();
    begins_ = false;
    return true;
  }

  bool next_line(TextPiece& piece) {
    if (lines_.at_end()) return false;
    piece = {.text = std::string(without_line_end(lines_.next(0)))};
    return true;
  }

  bool next_of_jsonl(TextPiece& piece) {
    if (!document_) {
      std::string_view line;
      do {
        if (lines_.at_end()) return require_a_document();
        line = lines_.next(0);
      } while (is_blank(line));
      document_ = text_field(lines_, line, options_.json_field);
      found_document_ = true;
      cut_ = 0;
    }
    size_t end = document_->size();
    if (document_->size() - cut_ > piece_bytes())
      end = document_->find('\n', cut_ + piece_bytes() - 1);
    end = end < document_->size() ? end + 1 : document_->size();
    piece = {.text = document_->substr(cut_, end - cut_),
             .begins_document = cut_ == 0,
             .ends_document = end == document_->size()};
    cut_ = end;
    if (piece.ends_document) document_.reset();
    return true;
  }

  bool require_a_document() const {
    if (!found_document_) throw DataError(lines_.path() + ": holds no JSON line");
    return false;
  }

  LineReader lines_;
  TextFormat format_;
  const TextOptions& options_;
  bool begins_ = true;
  std::optional<std::string> document_;  // of JSONL, while it is handed out in pieces
  size_t cut_ = 0;
  bool found_document_ = false;
};

}  // namespace

struct TextSource::State {
  std::vector<std::string> files;
  TextOptions options;
  size_t next_file = 0;
  int64_t bytes_before = 0;
  std::optional<DocumentReader> reader;
};

TextSource::TextSource(std::vector<std::string> files, const TextOptions& options)
    : state_(std::make_unique<State>()) {
  state_->files = std::move(files);
  state_->options = options;
}

TextSource::~TextSource() = default;
TextSource::TextSource(TextSource&&) noexcept = default;

bool TextSource::next(TextPiece& piece) {
  State& s = *state_;
  while (true) {
    if (s.reader && s.reader->next(piece)) return true;
    if (s.reader) s.bytes_before += s.reader->position_bytes();
    s.reader.reset();
    if (s.next_file == s.files.size()) return false;
    s.reader.emplace(s.files[s.next_file++], s.options);
  }
}

int64_t TextSource::position_bytes() const {
  return state_->bytes_before + (state_->reader ? state_->reader->position_bytes() : 0);
}

}  // namespace lckv::data
