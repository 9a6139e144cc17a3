#include "lckv/data/utf8.h"

#include <cstdint>
#include <cstring>

namespace lckv::data {

namespace {

bool is_continuation(unsigned char byte) { return (byte & 0xC0) == 0x80; }

// Length of the well-formed character at the start of `bytes`, 0 when there is none.
size_t character_bytes(const unsigned char* bytes, size_t available) {
  const unsigned char first = bytes[0];
  if (first < 0x80) return 1;
  const size_t length = first < 0xC2   ? 0
                        : first < 0xE0 ? 2
                        : first < 0xF0 ? 3
                        : first < 0xF5 ? 4
                                       : 0;
  if (length == 0 || length > available) return 0;
  for (size_t i = 1; i < length; ++i) {
    if (!is_continuation(bytes[i])) return 0;
  }
  const unsigned char second = bytes[1];
  if (first == 0xE0 && second < 0xA0) return 0;  // overlong
  if (first == 0xED && second > 0x9F) return 0;  // surrogate
  if (first == 0xF0 && second < 0x90) return 0;  // overlong
  if (first == 0xF4 && second > 0x8F) return 0;  // above U+10FFFF
  return length;
}

bool next_eight_are_ascii(const unsigned char* bytes) {
  uint64_t word = 0;
  std::memcpy(&word, bytes, sizeof word);
  return (word & 0x8080808080808080u) == 0;
}

}  // namespace

size_t valid_utf8_prefix(std::string_view text) {
  const auto* bytes = reinterpret_cast<const unsigned char*>(text.data());
  size_t at = 0;
  while (at < text.size()) {
    if (at + 8 <= text.size() && next_eight_are_ascii(bytes + at)) {
      at += 8;
      continue;
    }
    const size_t length = character_bytes(bytes + at, text.size() - at);
    if (length == 0) return at;
    at += length;
  }
  return at;
}

size_t character_boundary(std::string_view text, size_t limit) {
  if (limit >= text.size()) return text.size();
  while (limit > 0 && is_continuation(static_cast<unsigned char>(text[limit]))) --limit;
  return limit;
}

Utf8Character utf8_character(std::string_view text, size_t at) {
  const auto byte = [&](size_t i) -> uint32_t { return static_cast<unsigned char>(text[at + i]); };
  const auto low = [&](size_t i) { return byte(i) & 0x3F; };
  if (byte(0) < 0x80) return {byte(0), 1};
  if (byte(0) < 0xE0) return {(byte(0) & 0x1F) << 6 | low(1), 2};
  if (byte(0) < 0xF0) return {(byte(0) & 0x0F) << 12 | low(1) << 6 | low(2), 3};
  return {(byte(0) & 0x07) << 18 | low(1) << 12 | low(2) << 6 | low(3), 4};
}

}  // namespace lckv::data
