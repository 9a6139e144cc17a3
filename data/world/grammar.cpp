#include "lckv/world/grammar.h"

#include <cctype>

#include "lckv/base/error.h"
#include "lckv/base/text.h"

namespace lckv::world {

namespace {

size_t find_close(std::string_view text, size_t open, char close) {
  const size_t at = text.find(close, open);
  LCKV_CHECK(at != std::string_view::npos,
             format("no '{}' closes column {} of \"{}\"", close, open, text));
  return at;
}

std::string slot_text(std::string_view name, std::string_view text, const Slots& slots,
                      Draw& draw) {
  const auto slot = slots.find(name);
  LCKV_CHECK(slot != slots.end(), format("unknown slot {{{}}} in \"{}\"", name, text));
  return expand(slot->second, slots, draw);
}

}  // namespace

std::string expand(std::string_view text, const Slots& slots, Draw& draw) {
  std::string result;
  for (size_t at = 0; at < text.size(); ++at) {
    if (text[at] != '{' && text[at] != '[') {
      result += text[at];
      continue;
    }
    const size_t end = find_close(text, at, text[at] == '{' ? '}' : ']');
    const std::string_view inside = text.substr(at + 1, end - at - 1);
    result += text[at] == '{' ? slot_text(inside, text, slots, draw)
                              : expand(draw.pick(split(inside, '|')), slots, draw);
    at = end;
  }
  return result;
}

std::string with_capitals(std::string text) {
  bool sentence_ended = true;
  bool starts = true;
  for (char& c : text) {
    const bool blank = c == ' ' || c == '\n';
    if (starts && std::isalpha(static_cast<unsigned char>(c))) {
      c = static_cast<char>(std::toupper(static_cast<unsigned char>(c)));
      starts = false;
    } else if (blank) {
      starts = starts || sentence_ended;
    } else if (c != '"') {
      starts = false;
    }
    sentence_ended = c == '.' || c == '?' || c == '!';
  }
  return text;
}

size_t word_count(std::string_view text) {
  size_t count = 0;
  bool inside = false;
  for (const char c : text) {
    const bool blank = c == ' ' || c == '\n';
    if (!blank && !inside) ++count;
    inside = !blank;
  }
  return count;
}

}  // namespace lckv::world
