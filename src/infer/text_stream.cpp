#include "lckv/infer/text_stream.h"

#include <algorithm>
#include <utility>

namespace lckv::infer {

TextStream::TextStream(const data::Tokenizer& tokenizer, std::span<const int32_t> prompt,
                       std::vector<std::string> stop_strings)
    : tokenizer_(tokenizer),
      at_start_(tokenizer.text_start() != data::TextStart::kAsIs),
      stops_(std::move(stop_strings)) {
  for (size_t i = 0; at_start_ && i < prompt.size(); ++i) bytes_of(prompt[i]);
}

/// Without what the start of a text loses.
std::string TextStream::bytes_of(int32_t token) {
  std::string bytes = tokenizer_.token_bytes(token);
  if (!at_start_ || bytes.empty()) return bytes;
  const bool all = tokenizer_.text_start() == data::TextStart::kDropsAllBlanks;
  const size_t blanks = std::min(bytes.find_first_not_of(' '), bytes.size());
  at_start_ = all && blanks == bytes.size();
  return bytes.substr(all ? blanks : std::min<size_t>(blanks, 1));
}

std::string TextStream::add(int32_t token, bool may_stop) {
  std::string text = utf8_.add(bytes_of(token));
  if (may_stop) text = stops_.add(text);
  text_ += text;
  return text;
}

std::string TextStream::finish() {
  std::string text = stops_.add(utf8_.finish());
  text += stops_.finish();
  text_ += text;
  return text;
}

}  // namespace lckv::infer
