#pragma once

#include <cstddef>
#include <cstdint>
#include <string_view>

namespace lckv::data {

/// Offset of the first byte that does not belong to well-formed UTF-8 (RFC 3629: no surrogates, no
/// overlong forms, nothing above U+10FFFF, no sequence cut off at the end); text.size() when all of
/// it is well formed.
size_t valid_utf8_prefix(std::string_view text);

/// The largest cut <= limit that does not fall inside a character; `text` is well formed.
size_t character_boundary(std::string_view text, size_t limit);

struct Utf8Character {
  uint32_t code_point;
  size_t size_bytes;
};

/// The character that begins at byte `at` of `text`, which is well formed.
Utf8Character utf8_character(std::string_view text, size_t at);

}  // namespace lckv::data
