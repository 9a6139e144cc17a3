#include "lckv/data/byte_alphabet.h"

#include <array>
#include <charconv>

#include "lckv/base/text.h"
#include "lckv/data/utf8.h"

namespace lckv::data {

namespace {

constexpr bool is_visible(int byte) {
  return (byte >= 0x21 && byte <= 0x7E) || (byte >= 0xA1 && byte <= 0xAC) || byte >= 0xAE;
}

constexpr int kNoByte = -1;
constexpr uint32_t kCharacters = 0x100 + 68;  // 68 bytes are not visible

constexpr std::array<int, kCharacters> bytes_by_character() {
  std::array<int, kCharacters> bytes{};
  bytes.fill(kNoByte);
  size_t next = 0x100;
  for (int byte = 0; byte < 256; ++byte) {
    bytes[is_visible(byte) ? static_cast<size_t>(byte) : next++] = byte;
  }
  return bytes;
}

constexpr std::array<int, kCharacters> kBytes = bytes_by_character();

}  // namespace

std::optional<std::string> bytes_of_visible(std::string_view token) {
  std::string bytes;
  for (size_t at = 0; at < token.size();) {
    const Utf8Character character = utf8_character(token, at);
    if (character.code_point >= kCharacters || kBytes[character.code_point] == kNoByte) {
      return std::nullopt;
    }
    bytes += static_cast<char>(kBytes[character.code_point]);
    at += character.size_bytes;
  }
  return bytes;
}

std::string byte_token(size_t byte) { return format("<0x{:02X}>", byte); }

std::optional<char> byte_of_token(std::string_view token) {
  constexpr std::string_view kStart = "<0x";
  if (token.size() != 6 || !token.starts_with(kStart) || !token.ends_with('>')) return std::nullopt;
  unsigned char byte = 0;
  const char* const digits = token.data() + kStart.size();
  const auto [end, error] = std::from_chars(digits, digits + 2, byte, 16);
  if (error != std::errc() || end != digits + 2) return std::nullopt;
  return static_cast<char>(byte);
}

}  // namespace lckv::data
