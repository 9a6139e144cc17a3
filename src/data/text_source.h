#pragma once

#include <cstdint>
#include <memory>
#include <string>
#include <vector>

namespace lckv::data {

/// What one document is in a .txt file. In a .jsonl file it is always one line.
enum class TxtDocuments {
  kFile,  // the whole file, byte for byte
  kLines  // each line without its line end, empty ones included
};

struct TextOptions {
  TxtDocuments txt_documents = TxtDocuments::kFile;
  std::string json_field = "text";
  /// Documents are handed out in pieces of about this size, cut after a newline; 0: whole
  /// documents. A line is never cut, so memory grows with the longest line.
  int64_t piece_bytes = 128 << 10;
};

/// A stretch of one document.
struct TextPiece {
  std::string text;
  bool begins_document = true;
  bool ends_document = true;
};

/// The files that `inputs` stand for. Each input is a file (.txt or .jsonl, also .txt.gz,
/// .jsonl.zst, ...), a folder (all such files below it, sorted by path; others are passed over) or
/// a glob pattern (matches sorted). Throws IoError (nothing there), DataError (no file of these
/// kinds).
std::vector<std::string> expand_inputs(const std::vector<std::string>& inputs);

/// Sum of the files' sizes on disk.
int64_t total_file_bytes(const std::vector<std::string>& files);

/// Reads documents from text files one after the other, in memory bounded by piece size and longest
/// line.
///
/// All text handed out is valid UTF-8 without NUL. A byte order mark at a file's start is dropped.
/// Throws DataError naming file, byte offset (after decompression) and line: not UTF-8, a NUL byte
/// (a binary file), a line that is not a JSON object, a missing or non-string field, an empty file,
/// a damaged or cut-off .gz or .zst. Throws IoError when a file cannot be read.
class TextSource {
 public:
  TextSource(std::vector<std::string> files, const TextOptions& options);
  ~TextSource();
  TextSource(TextSource&&) noexcept;

  /// False at the end.
  bool next(TextPiece& piece);

  /// How far reading has come, in bytes of the files on disk: for progress against
  /// total_file_bytes.
  int64_t position_bytes() const;

 private:
  struct State;
  std::unique_ptr<State> state_;
};

}  // namespace lckv::data
