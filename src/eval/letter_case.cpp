#include "lckv/eval/letter_case.h"

#include <algorithm>
#include <span>

#include "lckv/base/error.h"
#include "lckv/data/utf8.h"
#include "lckv/eval/letter_case_table.h"

namespace lckv::eval {

namespace {

constexpr int32_t kCapitalSigma = 0x3A3;
constexpr int32_t kCapitalIWithDot = 0x130;

void append(std::string& text, int32_t code_point) {
  const auto put = [&](int32_t byte) { text += static_cast<char>(byte); };
  if (code_point < 0x80) return put(code_point);
  if (code_point < 0x800) {
    put(0xC0 | code_point >> 6);
  } else if (code_point < 0x10000) {
    put(0xE0 | code_point >> 12);
    put(0x80 | (code_point >> 6 & 0x3F));
  } else {
    put(0xF0 | code_point >> 18);
    put(0x80 | (code_point >> 12 & 0x3F));
    put(0x80 | (code_point >> 6 & 0x3F));
  }
  put(0x80 | (code_point & 0x3F));
}

int32_t mapped(std::span<const CaseRange> ranges, int32_t code_point) {
  for (const CaseRange& range : ranges) {
    if (code_point < range.first) break;
    if (code_point <= range.last && (code_point - range.first) % range.stride == 0) {
      return code_point + range.delta;
    }
  }
  return code_point;
}

void append_title(std::string& text, int32_t code_point) {
  for (const CaseText& special : kTitleTexts) {
    if (special.code_point == code_point) {
      text += special.text;
      return;
    }
  }
  append(text, mapped(kTitle, code_point));
}

void append_lower(std::string& text, int32_t code_point) {
  if (code_point == kCapitalSigma) {
    throw DataError(
        "a capital sigma (U+03A3) to be written in lower case, which depends on the "
        "letters around it");
  }
  if (code_point == kCapitalIWithDot) {
    text += "i\u0307";
    return;
  }
  append(text, mapped(kLower, code_point));
}

}  // namespace

std::string capitalize(std::string_view text) {
  std::string result;
  for (size_t at = 0; at < text.size();) {
    const data::Utf8Character character = data::utf8_character(text, at);
    const auto code_point = static_cast<int32_t>(character.code_point);
    at == 0 ? append_title(result, code_point) : append_lower(result, code_point);
    at += character.size_bytes;
  }
  return result;
}

}  // namespace lckv::eval
