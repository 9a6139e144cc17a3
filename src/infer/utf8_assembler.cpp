#include "lckv/infer/utf8_assembler.h"

#include <algorithm>

#include "lckv/data/utf8.h"

namespace lckv::infer {

namespace {

constexpr std::string_view kReplacement = "\uFFFD";

/// Bytes of the character that begins with `lead`, and the range of its second byte; the others
/// are 80..BF. size 1: no character begins so.
struct CharacterForm {
  size_t size = 1;
  unsigned char least = 0x80, most = 0xBF;
};
CharacterForm form_of(unsigned char lead) {
  if (lead >= 0xC2 && lead <= 0xDF) return {2};
  if (lead == 0xE0) return {3, 0xA0};
  if (lead == 0xED) return {3, 0x80, 0x9F};
  if (lead >= 0xE1 && lead <= 0xEF) return {3};
  if (lead == 0xF0) return {4, 0x90};
  if (lead >= 0xF1 && lead <= 0xF3) return {4};
  if (lead == 0xF4) return {4, 0x80, 0x8F};
  return {};
}

/// Of text that begins with something ill-formed: how much of it a character could begin with.
struct Beginning {
  size_t size_bytes = 1;
  bool may_go_on = false;  // the text ends before it is decided
};
Beginning beginning_of(std::string_view text) {
  const CharacterForm form = form_of(static_cast<unsigned char>(text[0]));
  size_t size = 1;
  while (size < std::min(form.size, text.size())) {
    const auto byte = static_cast<unsigned char>(text[size]);
    const bool fits = size == 1 ? byte >= form.least && byte <= form.most : (byte & 0xC0) == 0x80;
    if (!fits) return {size, false};
    ++size;
  }
  return {size, size < form.size};
}

}  // namespace

std::string Utf8Assembler::add(std::string_view bytes) {
  pending_ += bytes;
  std::string whole;
  std::string_view rest = pending_;
  while (!rest.empty()) {
    const size_t good = data::valid_utf8_prefix(rest);
    whole += rest.substr(0, good);
    rest.remove_prefix(good);
    if (rest.empty()) break;
    const Beginning beginning = beginning_of(rest);
    if (beginning.may_go_on) break;
    whole += kReplacement;
    rest.remove_prefix(beginning.size_bytes);
  }
  pending_ = std::string(rest);
  return whole;
}

std::string Utf8Assembler::finish() {
  if (pending_.empty()) return "";
  pending_.clear();
  return std::string(kReplacement);
}

}  // namespace lckv::infer
