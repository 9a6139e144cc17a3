#pragma once

#include <string>
#include <string_view>

namespace lckv::infer {

/// Makes text of bytes that come in pieces: a character is handed out once it is whole. Bytes that
/// are no UTF-8 become U+FFFD, one for each maximal part of a character, as the Unicode standard
/// recommends (3.9, table 3-8).
class Utf8Assembler {
 public:
  /// What is whole now.
  std::string add(std::string_view bytes);
  /// At the end: U+FFFD for a character that stays incomplete, else "".
  std::string finish();

 private:
  std::string pending_;  // the beginning of a character, at most three bytes
};

}  // namespace lckv::infer
