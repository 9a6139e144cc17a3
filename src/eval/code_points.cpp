#include "lckv/eval/code_points.h"

#include <algorithm>
#include <array>

namespace lckv::eval {

namespace {

bool continues_character(char byte) { return (static_cast<unsigned char>(byte) & 0xC0) == 0x80; }

constexpr std::array<std::string_view, 29> kWhitespace = {
    "\t",     "\n",     "\v",     "\f",     "\r",     "\x1C",   "\x1D",   "\x1E",
    "\x1F",   " ",      "\u0085", "\u00A0", "\u1680", "\u2000", "\u2001", "\u2002",
    "\u2003", "\u2004", "\u2005", "\u2006", "\u2007", "\u2008", "\u2009", "\u200A",
    "\u2028", "\u2029", "\u202F", "\u205F", "\u3000"};

bool is_whitespace(std::string_view character) {
  return std::find(kWhitespace.begin(), kWhitespace.end(), character) != kWhitespace.end();
}

std::string_view first_character(std::string_view text) {
  size_t bytes = 1;
  while (bytes < text.size() && continues_character(text[bytes])) ++bytes;
  return text.substr(0, bytes);
}

}  // namespace

size_t count_code_points(std::string_view text) {
  return text.size() -
         static_cast<size_t>(std::count_if(text.begin(), text.end(), continues_character));
}

size_t trailing_whitespace_bytes(std::string_view text) {
  std::string_view rest = text;
  while (!rest.empty()) {
    size_t begin = rest.size() - 1;
    while (begin > 0 && continues_character(rest[begin])) --begin;
    if (!is_whitespace(rest.substr(begin))) break;
    rest = rest.substr(0, begin);
  }
  return text.size() - rest.size();
}

size_t leading_whitespace_bytes(std::string_view text) {
  std::string_view rest = text;
  while (!rest.empty() && is_whitespace(first_character(rest))) {
    rest.remove_prefix(first_character(rest).size());
  }
  return text.size() - rest.size();
}

std::string_view strip_left(std::string_view text) {
  return text.substr(leading_whitespace_bytes(text));
}

std::string_view strip_right(std::string_view text) {
  return text.substr(0, text.size() - trailing_whitespace_bytes(text));
}

std::string_view strip(std::string_view text) { return strip_left(strip_right(text)); }

size_t count_words(std::string_view text) {
  size_t words = 1;
  bool in_whitespace = false;
  while (!text.empty()) {
    const std::string_view character = first_character(text);
    const bool white = is_whitespace(character);
    words += white && !in_whitespace ? 1 : 0;
    in_whitespace = white;
    text.remove_prefix(character.size());
  }
  return words;
}

}  // namespace lckv::eval
