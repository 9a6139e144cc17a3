#include "lckv/data/line_reader.h"

#include <algorithm>

#include "lckv/base/error.h"
#include "lckv/base/text.h"
#include "lckv/data/utf8.h"

namespace lckv::data {

namespace {

constexpr size_t kReadBytes = 256 << 10;
constexpr std::string_view kByteOrderMark = "\xEF\xBB\xBF";

int64_t count_newlines(std::string_view text) { return std::count(text.begin(), text.end(), '\n'); }

}  // namespace

LineReader::LineReader(std::string path)
    : path_(std::move(path)), reader_(open_byte_reader(path_)) {
  while (buffer_.size() < kByteOrderMark.size() && fill()) {
  }
  if (buffer_.empty()) throw DataError(path_ + ": is empty, expected text");
  if (buffer_.starts_with(kByteOrderMark)) begin_ = kByteOrderMark.size();
  offset_ = static_cast<int64_t>(begin_);
}

bool LineReader::fill() {
  if (ended_) return false;
  buffer_.erase(0, begin_);
  begin_ = 0;
  const size_t kept = buffer_.size();
  buffer_.resize(kept + kReadBytes);
  const size_t got = reader_->read(buffer_.data() + kept, kReadBytes);
  buffer_.resize(kept + got);
  ended_ = got == 0;
  return !ended_;
}

bool LineReader::at_end() { return begin_ == buffer_.size() && !fill(); }

std::string_view LineReader::next(size_t at_least_bytes) {
  const size_t wanted = std::max<size_t>(at_least_bytes, 1);
  size_t searched = wanted - 1;  // bytes from begin_ in which no cut is wanted
  size_t newline = std::string::npos;
  do {
    if (buffer_.size() > begin_ + searched) newline = buffer_.find('\n', begin_ + searched);
    if (newline != std::string::npos) break;
    searched = std::max(searched, buffer_.size() - begin_);
  } while (fill());
  const size_t end = newline == std::string::npos ? buffer_.size() : newline + 1;
  const std::string_view text = std::string_view(buffer_).substr(begin_, end - begin_);
  line_ = next_line_;
  require_text(text);
  begin_ = end;
  offset_ += static_cast<int64_t>(text.size());
  next_line_ += count_newlines(text);
  return text;
}

void LineReader::require_text(std::string_view text) const {
  const size_t nul = std::min(text.find('\0'), text.size());
  const size_t valid = valid_utf8_prefix(text.substr(0, nul));
  if (valid == text.size()) return;
  const auto byte = static_cast<unsigned char>(text[valid]);
  throw DataError(
      format("{}: line {}, byte {}: {}", path_, line_ + count_newlines(text.substr(0, valid)),
             offset_ + static_cast<int64_t>(valid),
             byte == 0 ? "a NUL byte: this is a binary file (or UTF-16), expected UTF-8 text"
                       : format("0x{:02X} is not valid UTF-8", byte)));
}

}  // namespace lckv::data
