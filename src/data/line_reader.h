#pragma once

#include <cstdint>
#include <memory>
#include <string>
#include <string_view>

#include "lckv/data/byte_reader.h"

namespace lckv::data {

/// Lines of one text file, checked: every byte handed out is valid UTF-8 and not NUL.
class LineReader {
 public:
  /// Throws DataError when the file is empty.
  explicit LineReader(std::string path);

  /// As many whole lines as reach `at_least_bytes`, line ends included; at least one line (whose
  /// end the file's last may lack); 0: exactly one line. "" at the end of the file. Valid until the
  /// next call. Throws DataError naming byte and line.
  std::string_view next(size_t at_least_bytes);

  const std::string& path() const { return path_; }
  /// Line at which the text of the last next() starts, from 1.
  int64_t line() const { return line_; }
  bool at_end();
  int64_t position_bytes() const { return reader_->position_bytes(); }

 private:
  bool fill();
  void require_text(std::string_view text) const;

  std::string path_;
  std::unique_ptr<ByteReader> reader_;
  std::string buffer_;
  size_t begin_ = 0;  // of what is not yet handed out, in buffer_
  bool ended_ = false;
  int64_t offset_ = 0;  // in the file, of begin_
  int64_t line_ = 1;
  int64_t next_line_ = 1;
};

}  // namespace lckv::data
