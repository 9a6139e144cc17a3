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
    const std::string_view last = rest.substr(begin);
    if (std::find(kWhitespace.begin(), kWhitespace.end(), last) == kWhitespace.end()) break;
    rest.remove_suffix(last.size());
  }
  return text.size() - rest.size();
}

}  // namespace lckv::eval
