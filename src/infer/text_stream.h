#pragma once

#include <cstdint>
#include <span>
#include <string>
#include <vector>

#include "lckv/data/tokenizer.h"
#include "lckv/infer/stop_matcher.h"
#include "lckv/infer/utf8_assembler.h"

namespace lckv::infer {

/// The text of tokens that come one by one after a prompt: valid UTF-8, up to a stop string.
///
/// The blank that encoding puts at the start of a text is dropped where the prompt has no text of
/// its own, and belongs to the text elsewhere: prompt and text together are decode() of all tokens.
class TextStream {
 public:
  /// Reads the bytes of `prompt` alone. `tokenizer` outlives the stream.
  TextStream(const data::Tokenizer& tokenizer, std::span<const int32_t> prompt,
             std::vector<std::string> stop_strings);

  /// What is certain of the text now and was not before.
  ///
  ///   may_stop   false: no stop string begins in this token
  std::string add(int32_t token, bool may_stop = true);
  /// At the end: what was held back.
  std::string finish();

  bool has_stopped() const { return stops_.has_stopped(); }
  const std::string& stopping_word() const { return stops_.word(); }
  /// All that was handed out.
  const std::string& text() const { return text_; }

 private:
  std::string bytes_of(int32_t token);

  const data::Tokenizer& tokenizer_;
  bool at_start_;  // of prompt and text
  Utf8Assembler utf8_;
  StopMatcher stops_;
  std::string text_;
};

}  // namespace lckv::infer
